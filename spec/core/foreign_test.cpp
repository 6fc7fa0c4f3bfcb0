// Libraries that are opened when they are first needed; zlib is the one at hand.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/foreign/feature.h"
#include "core/foreign/zlib/zlib.h"

extern "C" __attribute__((weak)) void __sanitizer_print_stack_trace();

// The program exports a function with a name from zlib, like node exports OpenSSL's. The library
// has to call its own.
extern "C" __attribute__((visibility("default"))) unsigned long adler32(unsigned long,
                                                                        const unsigned char*,
                                                                        unsigned int) {
    return 0x01020304;
}

namespace socket2::zlib {
namespace {

std::string packed(const std::string& text) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(text.size() + 100, '\0');
    std::string in = text;
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    EXPECT_EQ(deflateEnd(&stream), Z_OK);
    return out;
}

std::string unpacked(std::string data, size_t size) {
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, MAX_WBITS), Z_OK);
    std::string out(size, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(data.data());
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    EXPECT_EQ(inflateEnd(&stream), Z_OK);
    return out;
}

class Zlib : public testing::Test {
   protected:
    void SetUp() override {
        if (library() == nullptr) GTEST_SKIP() << "this machine has no zlib";
    }
};

TEST_F(Zlib, PacksAndUnpacks) {
    const std::string text(5000, 'x');
    const std::string data = packed(text);
    EXPECT_LT(data.size(), 100U);
    EXPECT_EQ(unpacked(data, text.size()), text);
}

TEST_F(Zlib, CallsItsOwnFunctionsNotTheProgramsOfThatName) {
    if (&::__sanitizer_print_stack_trace != nullptr) GTEST_SKIP() << "a sanitizer forbids it";
    const std::string data = packed("abc");
    EXPECT_EQ(data.substr(data.size() - 4), std::string("\x02\x4d\x01\x27", 4));
}

TEST_F(Zlib, IsAmongTheFeatures) {
    for (const Feature& feature : features()) {
        if (std::strcmp(feature.name, "zlib") != 0) continue;
        EXPECT_STREQ(feature.library(), library());
        EXPECT_EQ(feature.version()[0], '1');
        return;
    }
    ADD_FAILURE() << "no feature is called zlib";
}

int (*version_of)() = nullptr;
constexpr Import kGood[] = {
    {"zlibVersion", [](void* p) { version_of = reinterpret_cast<int (*)()>(p); }}};
constexpr Import kBad[] = {kGood[0], {"no_such_function", [](void*) { FAIL(); }}};

TEST_F(Zlib, IsFoundBehindNamesThatAreNotThere) {
    version_of = nullptr;
    EXPECT_STREQ(open_library({"libnone.so.9", library()}, kGood), library());
    EXPECT_NE(version_of, nullptr);
}

TEST_F(Zlib, IsNotTakenWithoutAllThatIsNeededOfIt) {
    version_of = nullptr;
    EXPECT_EQ(open_library({library()}, kBad), nullptr);
    EXPECT_EQ(version_of, nullptr);
}

TEST(OpenLibrary, TellsThatThereIsNone) {
    EXPECT_EQ(open_library({"libnone.so.9", "/nowhere/libnone.so"}, kGood), nullptr);
}

TEST_F(Zlib, CanBeAskedForInManyThreadsAtOnce) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([] {
            const char* const name = features()[0].library();
            EXPECT_STREQ(name, library());
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace socket2::zlib
