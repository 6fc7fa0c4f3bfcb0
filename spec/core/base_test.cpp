// The containers and words under everything else: heap, slot map, list, result, error words.
#include <gtest/gtest.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/heap.h"
#include "core/base/intrusive_list.h"
#include "core/base/result.h"
#include "core/base/slot_map.h"

namespace socket2 {
namespace {

// ---- heap ---------------------------------------------------------------------------------------

struct Timer : HeapNode {
    int id = 0;
};

std::vector<Timer> make_timers(size_t count) {
    std::vector<Timer> timers(count);
    for (size_t i = 0; i < count; ++i) timers[i].id = static_cast<int>(i);
    return timers;
}

// Takes all members from the front.
std::vector<double> drain(Heap<Timer>& heap) {
    std::vector<double> keys;
    while (!heap.empty()) {
        keys.push_back(heap.earliest());
        Timer& front = heap.front();
        heap.remove(front);
        EXPECT_FALSE(front.in_heap());
    }
    return keys;
}

TEST(Heap, EmptyHasNoEarliest) {
    Heap<Timer> heap;
    EXPECT_TRUE(heap.empty());
    EXPECT_EQ(heap.size(), 0u);
    EXPECT_EQ(heap.earliest(), kNever);
}

TEST(Heap, GivesTheEarliestFirst) {
    Heap<Timer> heap;
    std::vector<Timer> timers = make_timers(200);
    std::vector<double> keys;
    std::mt19937 random(1);
    for (Timer& timer : timers) {
        const double key = std::uniform_real_distribution<double>(-10, 10)(random);
        keys.push_back(key);
        heap.push(timer, key);
        EXPECT_TRUE(timer.in_heap());
    }
    std::sort(keys.begin(), keys.end());
    EXPECT_EQ(drain(heap), keys);
}

TEST(Heap, RemovesFromEveryPlace) {
    constexpr size_t kCount = 40;
    for (size_t removed = 0; removed < kCount; ++removed) {
        Heap<Timer> heap;
        std::vector<Timer> timers = make_timers(kCount);
        std::vector<double> keys;
        for (size_t i = 0; i < kCount; ++i) {
            const double key = static_cast<double>((i * 17) % kCount);
            heap.push(timers[i], key);
            if (i != removed) keys.push_back(key);
        }
        heap.remove(timers[removed]);
        EXPECT_FALSE(timers[removed].in_heap());
        std::sort(keys.begin(), keys.end());
        EXPECT_EQ(drain(heap), keys) << "removed " << removed;
    }
}

// The member that fills the hole may have to move up, because it can come from another branch.
TEST(Heap, TheHoleIsFilledUpwardsToo) {
    Heap<Timer> heap;
    std::vector<Timer> timers = make_timers(22);
    // A root, a branch of large keys below its first child, and small keys at the very end.
    const std::vector<double> keys = {0,  100, 1,  2,  3,  101, 102, 103, 104, 10, 11,
                                      12, 13,  20, 21, 22, 23,  30,  31,  32,  33, 105};
    for (size_t i = 0; i < keys.size(); ++i) heap.push(timers[i], keys[i]);
    heap.remove(timers[21]);
    heap.remove(timers[5]);
    std::vector<double> rest = drain(heap);
    EXPECT_TRUE(std::is_sorted(rest.begin(), rest.end()));
    EXPECT_EQ(rest.size(), keys.size() - 2);
}

TEST(Heap, EqualKeysAllComeOut) {
    Heap<Timer> heap;
    std::vector<Timer> timers = make_timers(100);
    for (Timer& timer : timers) heap.push(timer, 5.0);
    std::set<int> seen;
    while (!heap.empty()) {
        EXPECT_EQ(heap.earliest(), 5.0);
        Timer& front = heap.front();
        heap.remove(front);
        EXPECT_TRUE(seen.insert(front.id).second);
    }
    EXPECT_EQ(seen.size(), timers.size());
}

TEST(Heap, OrdersInfinities) {
    Heap<Timer> heap;
    std::vector<Timer> timers = make_timers(3);
    heap.push(timers[0], kNever);
    heap.push(timers[1], -kNever);
    heap.push(timers[2], 0);
    EXPECT_EQ(drain(heap), (std::vector<double>{-kNever, 0, kNever}));
}

TEST(Heap, ReserveKeepsTheContent) {
    Heap<Timer> heap;
    std::vector<Timer> timers = make_timers(300);
    for (size_t i = 0; i < timers.size(); ++i) {
        heap.reserve(i + 1);
        heap.push(timers[i], static_cast<double>(timers.size() - i));
    }
    heap.reserve(1);
    EXPECT_EQ(heap.size(), timers.size());
    const std::vector<double> keys = drain(heap);
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST(Heap, AgreesWithAMultimapUnderRandomOperations) {
    for (unsigned seed = 0; seed < 20; ++seed) {
        std::mt19937 random(seed);
        Heap<Timer> heap;
        std::vector<Timer> timers = make_timers(150);
        std::multimap<double, Timer*> model;
        for (int step = 0; step < 5000; ++step) {
            Timer& timer = timers[random() % timers.size()];
            if (!timer.in_heap()) {
                // Few different keys, so that equal ones are common.
                const double key = static_cast<double>(random() % 40);
                heap.push(timer, key);
                model.emplace(key, &timer);
            } else if (random() % 3 != 0) {
                heap.remove(timer);
                model.erase(std::find_if(model.begin(), model.end(), [&](const auto& entry) {
                    return entry.second == &timer;
                }));
            }
            ASSERT_EQ(heap.size(), model.size());
            ASSERT_EQ(heap.earliest(), model.empty() ? kNever : model.begin()->first);
            if (model.empty()) continue;
            const auto least = model.equal_range(model.begin()->first);
            ASSERT_TRUE(std::any_of(least.first, least.second, [&](const auto& entry) {
                return entry.second == &heap.front();
            }));
        }
        for (const Timer& timer : timers) {
            EXPECT_EQ(timer.in_heap(), std::any_of(model.begin(), model.end(), [&](const auto& e) {
                          return e.second == &timer;
                      }));
        }
    }
}

// ---- slot map -----------------------------------------------------------------------------------

constexpr size_t kNames = SlotMap<int>::kMaxLive;

TEST(SlotMap, NamesArePositiveAndFindTheirValue) {
    SlotMap<int> map;
    std::set<int32_t> names;
    for (int i = 0; i < 1000; ++i) {
        const int32_t name = map.insert(i);
        EXPECT_GT(name, 0);
        EXPECT_TRUE(names.insert(name).second);
        ASSERT_NE(map.find(name), nullptr);
        EXPECT_EQ(*map.find(name), i);
    }
}

TEST(SlotMap, GarbageNamesAreNotFound) {
    SlotMap<int> map;
    EXPECT_EQ(map.find(1), nullptr) << "of an empty map";
    std::set<int32_t> names;
    for (int i = 0; i < 10; ++i) names.insert(map.insert(i));
    for (const int32_t garbage : {0, -1, INT32_MIN, INT32_MAX, 1 << 22, 0x3fffff}) {
        EXPECT_EQ(map.find(garbage), nullptr) << garbage;
    }
    std::mt19937 random(7);
    for (int i = 0; i < 100000; ++i) {
        const auto name = static_cast<int32_t>(random());
        EXPECT_EQ(map.find(name) != nullptr, names.count(name) == 1) << name;
    }
}

TEST(SlotMap, ATakenNameIsStale) {
    SlotMap<std::unique_ptr<int>> map;
    const int32_t name = map.insert(std::make_unique<int>(5));
    const std::unique_ptr<int> value = map.take(name);
    EXPECT_EQ(*value, 5);
    EXPECT_EQ(map.find(name), nullptr);
}

// A value that was given up must not linger in its slot.
TEST(SlotMap, TakeEmptiesTheSlot) {
    const auto value = std::make_shared<int>(1);
    SlotMap<std::shared_ptr<int>> map;
    const int32_t name = map.insert(value);
    map.take(name);
    EXPECT_EQ(value.use_count(), 1);
}

TEST(SlotMap, NamesAreGivenInTurn) {
    SlotMap<int> map;
    int32_t last = 0;
    for (int i = 0; i < 1000000; ++i) {
        const int32_t name = map.insert(i);
        ASSERT_EQ(name, last + 1);
        map.take(name);
        last = name;
    }
}

// Names of long-lived objects are passed over, however many, and no other name comes twice.
TEST(SlotMap, ANameReturnsOnlyAfterAllOthers) {
    for (const int living : {0, 1, 100, 10000}) {
        SCOPED_TRACE(living);
        SlotMap<int> map;
        std::vector<int32_t> names;
        for (int i = 0; i < living; ++i) names.push_back(map.insert(i));
        int64_t last = names.empty() ? 0 : names.back();
        int64_t passed = 0;
        constexpr int kInsertions = 200000;
        for (int i = 0; i < kInsertions; ++i) {
            const int32_t name = map.insert(0);
            ASSERT_GT(name, last);
            passed += name - last;
            last = name;
            map.take(name);
        }
        // At this pace the 2^31 names last for 2^29 insertions.
        EXPECT_LE(passed, 4 * kInsertions);
        for (int i = 0; i < living; ++i) EXPECT_EQ(*map.find(names[static_cast<size_t>(i)]), i);
    }
}

TEST(SlotMap, AfterTheLastNameComesTheFirstThatIsFree) {
    SlotMap<int> map(INT32_MAX - 2);
    EXPECT_EQ(map.insert(0), INT32_MAX - 1);
    EXPECT_EQ(map.insert(0), INT32_MAX);
    EXPECT_EQ(map.insert(0), 1);
    map.take(INT32_MAX);
    EXPECT_EQ(map.find(INT32_MAX), nullptr);
    EXPECT_NE(map.find(INT32_MAX - 1), nullptr);
}

TEST(SlotMap, IsExhaustedWithoutHarm) {
    SlotMap<uint8_t> map;
    std::vector<int32_t> names;
    names.reserve(kNames);
    for (size_t i = 0; i < kNames; ++i) names.push_back(map.insert(1));
    EXPECT_EQ(std::count(names.begin(), names.end(), 0), 0);
    EXPECT_EQ(map.insert(2), 0);
    EXPECT_EQ(map.insert(2), 0);

    // A single free slot is used again at once, because there is no other.
    map.take(names[1000]);
    const int32_t again = map.insert(3);
    ASSERT_NE(again, 0);
    EXPECT_NE(again, names[1000]);
    EXPECT_EQ(map.find(names[1000]), nullptr);
    EXPECT_EQ(*map.find(again), 3);
    EXPECT_EQ(map.insert(2), 0);
}

TEST(SlotMap, ForEachVisitsTheLiving) {
    SlotMap<int> map;
    std::vector<int32_t> names;
    for (int i = 0; i < 10; ++i) names.push_back(map.insert(i));
    for (size_t i = 0; i < 10; i += 2) map.take(names[i]);
    std::vector<int> seen;
    map.for_each([&](int value) { seen.push_back(value); });
    EXPECT_EQ(seen, (std::vector<int>{1, 3, 5, 7, 9}));
}

TEST(SlotMap, AgreesWithAMapUnderRandomOperations) {
    std::mt19937 random(11);
    SlotMap<int> map;
    std::map<int32_t, int> model;
    std::vector<int32_t> given;
    for (int step = 0; step < 50000; ++step) {
        if (model.size() < 20 || (random() % 2 == 0 && model.size() < 3000)) {
            const int32_t name = map.insert(step);
            ASSERT_TRUE(model.emplace(name, step).second) << "a live name was given twice";
            given.push_back(name);
        } else {
            auto victim = model.lower_bound(given[random() % given.size()]);
            if (victim == model.end()) victim = model.begin();
            EXPECT_EQ(map.take(victim->first), victim->second);
            model.erase(victim);
        }
        const int32_t probe = given[random() % given.size()];
        const int* found = map.find(probe);
        const auto expected = model.find(probe);
        ASSERT_EQ(found != nullptr, expected != model.end());
        if (found != nullptr) {
            EXPECT_EQ(*found, expected->second);
        }
    }
}

// ---- intrusive list -----------------------------------------------------------------------------

struct Item : ListNode<Item> {
    explicit Item(int the_id) : id(the_id) {}
    int id;
};

std::vector<int> drain(IntrusiveList<Item>& list) {
    std::vector<int> ids;
    while (Item* item = list.pop_front()) {
        EXPECT_FALSE(item->in_list());
        ids.push_back(item->id);
    }
    EXPECT_TRUE(list.empty());
    return ids;
}

TEST(IntrusiveList, IsFirstInFirstOut) {
    IntrusiveList<Item> list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.pop_front(), nullptr);
    Item a(1), b(2), c(3);
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);
    EXPECT_FALSE(list.empty());
    EXPECT_TRUE(b.in_list());
    EXPECT_EQ(drain(list), (std::vector<int>{1, 2, 3}));
}

TEST(IntrusiveList, RemovesFromAnyPlace) {
    for (int removed = 1; removed <= 3; ++removed) {
        IntrusiveList<Item> list;
        Item a(1), b(2), c(3);
        Item* const items[] = {&a, &b, &c};
        std::vector<int> rest;
        for (Item* item : items) {
            list.push_back(*item);
            if (item->id != removed) rest.push_back(item->id);
        }
        IntrusiveList<Item>::remove(*items[removed - 1]);
        EXPECT_FALSE(items[removed - 1]->in_list());
        EXPECT_EQ(drain(list), rest);
    }
}

TEST(IntrusiveList, AMemberMayComeBack) {
    IntrusiveList<Item> list;
    Item a(1), b(2);
    list.push_back(a);
    list.push_back(b);
    list.push_back(*list.pop_front());
    EXPECT_EQ(drain(list), (std::vector<int>{2, 1}));
}

TEST(IntrusiveList, SpliceMovesAllBehind) {
    IntrusiveList<Item> list, other;
    Item a(1), b(2), c(3), d(4);
    list.push_back(a);
    other.push_back(b);
    other.push_back(c);
    list.splice(other);
    EXPECT_TRUE(other.empty());
    other.push_back(d);
    EXPECT_EQ(drain(list), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(drain(other), (std::vector<int>{4}));
}

TEST(IntrusiveList, SpliceOfAndIntoEmpty) {
    IntrusiveList<Item> list, other;
    list.splice(other);
    EXPECT_TRUE(list.empty());
    Item a(1);
    other.push_back(a);
    list.splice(other);
    list.splice(other);
    EXPECT_EQ(drain(list), (std::vector<int>{1}));
}

TEST(IntrusiveListDeathTest, AMemberOfTwoListsEndsTheProcess) {
    if (std::getenv("SOCKET2_QEMU") != nullptr) GTEST_SKIP() << "qemu's programs start no others";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    IntrusiveList<Item> list, other;
    Item a(1);
    list.push_back(a);
    EXPECT_DEATH(other.push_back(a), "already in a list");
    IntrusiveList<Item>::remove(a);
}

// ---- result -------------------------------------------------------------------------------------

TEST(Result, ValuePendingAndErrorExcludeEachOther) {
    const Result value = Result::of(7);
    EXPECT_TRUE(value.ok());
    EXPECT_FALSE(value.is_pending());
    EXPECT_FALSE(value.is_error());
    EXPECT_EQ(value.value(), 7);
    EXPECT_EQ(value.error(), Errc::ok);

    const Result pending = Result::pending();
    EXPECT_FALSE(pending.ok());
    EXPECT_TRUE(pending.is_pending());
    EXPECT_FALSE(pending.is_error());
    EXPECT_EQ(pending.error(), Errc::ok);

    const Result error(Errc::timeout, 110);
    EXPECT_FALSE(error.ok());
    EXPECT_FALSE(error.is_pending());
    EXPECT_TRUE(error.is_error());
    EXPECT_EQ(error.error(), Errc::timeout);
    EXPECT_EQ(error.value(), static_cast<int>(Errc::timeout));
    EXPECT_EQ(error.os_code(), 110);
}

TEST(Result, DoneAndOkAreZero) {
    EXPECT_TRUE(Result::done().ok());
    EXPECT_EQ(Result::done().value(), 0);
    EXPECT_TRUE(Result(Errc::ok).ok());
    EXPECT_EQ(Result(Errc::busy).os_code(), 0);
    EXPECT_EQ(Result::of(INT_MAX).value(), INT_MAX);
}

static_assert(sizeof(Result) == 8, "crosses calls in one register");

// ---- error words --------------------------------------------------------------------------------

struct Row {
    Errc code;
    int number;
    const char* word;
    const char* message;
};

constexpr Row kRows[] = {
#define ROW(id, name, number, message) {Errc::id, number, #id, message},
    SOCKET2_ERROR_LIST(ROW)
#undef ROW
};

TEST(ErrorWords, EveryCodeHasAWordAndAMessageOfItsOwn) {
    std::set<int> numbers;
    std::set<std::string> words, messages;
    for (const Row& row : kRows) {
        EXPECT_EQ(static_cast<int>(row.code), row.number);
        EXPECT_STREQ(error_word(row.number), row.word);
        EXPECT_STREQ(error_message(row.number), row.message);
        EXPECT_TRUE(numbers.insert(row.number).second) << row.word;
        EXPECT_TRUE(words.insert(row.word).second) << row.word;
        EXPECT_TRUE(messages.insert(row.message).second) << row.word;
    }
}

TEST(ErrorWords, NumbersHaveNoGaps) {
    int expected = -2;
    for (const Row& row : kRows) EXPECT_EQ(row.number, expected--) << row.word;
}

TEST(ErrorWords, WordsAreLowercaseWithUnderscores) {
    for (const Row& row : kRows) {
        const std::string word = row.word;
        EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << word;
        EXPECT_FALSE(std::string(row.message).empty());
    }
}

TEST(ErrorWords, OtherNumbersAreUnknown) {
    const int last = kRows[std::size(kRows) - 1].number;
    EXPECT_STREQ(error_word(0), "ok");
    EXPECT_STREQ(error_message(0), "no error");
    for (const int number : {1, 42, -1, last - 1, INT_MIN, INT_MAX}) {
        EXPECT_STREQ(error_word(number), "unknown_error") << number;
        EXPECT_GT(std::string(error_message(number)).size(), 0u) << number;
    }
}

}  // namespace
}  // namespace socket2
