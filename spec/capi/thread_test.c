/* Threads that run a Lua state: with LuaJIT, if it is installed, and with functions that fail. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "spec/capi/events.h"

#define LUAJIT "libluajit-5.1.so.2"

/* LuaJIT's functions, if it is installed. */
static socket2_lua luajit;

static int load_luajit(void) {
    void* const library = dlopen(LUAJIT, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL) return 0;
    /* POSIX does it like this, because C itself cannot convert one kind of pointer to the other. */
    *(void**)&luajit.newstate = dlsym(library, "luaL_newstate");
    *(void**)&luajit.openlibs = dlsym(library, "luaL_openlibs");
    *(void**)&luajit.loadbuffer = dlsym(library, "luaL_loadbuffer");
    *(void**)&luajit.pushnumber = dlsym(library, "lua_pushnumber");
    *(void**)&luajit.pcall = dlsym(library, "lua_pcall");
    *(void**)&luajit.cpcall = dlsym(library, "lua_cpcall");
    *(void**)&luajit.tolstring = dlsym(library, "lua_tolstring");
    *(void**)&luajit.close = dlsym(library, "lua_close");
    return 1;
}

static int new_channel(int loop, int capacity) {
    const int handle = socket2_channel_new(loop, capacity);
    CHECK(handle > 0);
    return handle;
}

static int start(int loop, const socket2_lua* lua, const char* code, int channel) {
    return socket2_thread_new(loop, lua, code, strlen(code), "code", channel);
}

/* The next message, with a zero after it; its size, or an error. */
static int receive(int loop, int channel, char* text, size_t size) {
    const int r =
        finish(loop, socket2_channel_recv(loop, channel, in(LIMIT)), channel, SOCKET2_READ);
    text[0] = '\0';
    if (r < 0) return r;
    CHECK((size_t)r < size);
    if ((size_t)r >= size) return r;
    memcpy(text, socket2_message_data(loop, channel), (size_t)r);
    text[r] = '\0';
    return r;
}

/* Checks for a failure, and the end after it. */
static void check_failure(int loop, int channel, const char* expected) {
    char text[4096];
    const int size = receive(loop, channel, text, sizeof text);
    CHECK_INT(text[0], 0);
    CHECK_TEXT(text + 1, expected);
    CHECK_INT(size, 1 + strlen(expected));
    CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
}

static void check_code_fails(const char* code, const char* expected) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    CHECK_INT(start(loop, &luajit, code, channel), 0);
    check_failure(loop, channel, expected);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- with LuaJIT ---------------------------------------------------------------------------- */

static void test_code_that_ends_well(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    char text[64];
    CHECK_INT(start(loop, &luajit, "local s = ('x'):rep(10) return s, 2", channel), 0);
    CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
    const int empty = new_channel(loop, 0);
    CHECK_INT(socket2_thread_new(loop, &luajit, NULL, 0, "", empty), 0);
    CHECK_INT(receive(loop, empty, text, sizeof text), SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_code_gets_the_number(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    char expected[32];
    snprintf(expected, sizeof expected, "number 1 %d", socket2_channel_id(loop, channel));
    CHECK_INT(start(loop, &luajit, "error(type(...) .. ' ' .. select('#', ...) .. ' ' .. (...), 0)",
                    channel),
              0);
    check_failure(loop, channel, expected);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_code_that_fails(void) { check_code_fails("error'oh'", "code:1: oh"); }

static void test_an_error_with_a_zero_in_it(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    char text[64];
    CHECK_INT(start(loop, &luajit, "error('a\\0b', 0)", channel), 0);
    CHECK_INT(receive(loop, channel, text, sizeof text), 4);
    CHECK(memcmp(text, "\0a\0b", 4) == 0);
    CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_errors_that_are_no_text(void) {
    check_code_fails("error{}", "the error is not a text");
    check_code_fails("error()", "the error is not a text");
    check_code_fails("error(12, 0)", "12");
}

static void test_code_that_is_none(void) {
    check_code_fails("x x", "code:1: '=' expected near 'x'");
    check_code_fails("\033LJ\001", "code: cannot load incompatible bytecode");
}

static void test_bytecode(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0), second = new_channel(loop, 0);
    char code[4096];
    CHECK_INT(start(loop, &luajit,
                    "error(string.dump(function() error('from bytecode', 0) end), 0)", channel),
              0);
    const int size = receive(loop, channel, code, sizeof code);
    CHECK(size > 1);
    CHECK_INT(socket2_thread_new(loop, &luajit, code + 1, (size_t)size - 1, "x", second), 0);
    check_failure(loop, second, "from bytecode");
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_the_standard_libraries_are_there(void) {
    check_code_fails("error(type(io.open) .. type(require'ffi'.cdef) .. type(jit.on), 0)",
                     "functionfunctionfunction");
}

static void test_the_thread_has_its_name(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    const char* code = "error(io.open'/proc/thread-self/comm':read'*l', 0)";
    char name[64];
    CHECK_INT(socket2_thread_name(name, sizeof name) > 0, 1);
    CHECK_INT(socket2_thread_new(loop, &luajit, code, strlen(code), "sixteen letters!", channel),
              0);
    check_failure(loop, channel, "sixteen letters");
    char after[64];
    socket2_thread_name(after, sizeof after);
    CHECK_TEXT(after, name);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_failure_comes_behind_what_is_there(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 1);
    char text[64];
    CHECK_INT(socket2_channel_send(loop, channel, "full", 4, NULL, 0, NULL, 0, SOCKET2_AT_ONCE), 0);
    CHECK_INT(start(loop, &luajit, "error('oh', 0)", channel), 0);
    const double limit = in(LIMIT);
    while (socket2_channel_length(loop, channel) < 2 && socket2_clock() < limit) sched_yield();
    CHECK_INT(receive(loop, channel, text, sizeof text), 4);
    CHECK_TEXT(text, "full");
    check_failure(loop, channel, "oh");
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_failure_of_a_channel_that_was_shut_down(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 1);
    const int id = socket2_channel_id(loop, channel);
    CHECK_INT(socket2_channel_shutdown(loop, channel), 0);
    CHECK_INT(start(loop, &luajit, "error('oh', 0)", channel), 0);
    /* The thread keeps the channel until it ends. */
    CHECK_INT(socket2_channel_close(loop, channel), 0);
    const double limit = in(LIMIT);
    int handle;
    while ((handle = socket2_channel_open(loop, id)) > 0 && socket2_clock() < limit) {
        char text[64];
        CHECK_INT(receive(loop, handle, text, sizeof text), SOCKET2_ECLOSED);
        CHECK_INT(socket2_channel_close(loop, handle), 0);
    }
    CHECK_INT(handle, SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_many_threads(void) {
    enum { COUNT = 50 };
    const int loop = new_loop();
    int channels[COUNT];
    for (int i = 0; i < COUNT; ++i) {
        channels[i] = new_channel(loop, 0);
        CHECK_INT(start(loop, &luajit, i % 2 ? "error('oh', 0)" : "return 1", channels[i]), 0);
    }
    for (int i = 0; i < COUNT; ++i) {
        char text[64];
        if (i % 2) check_failure(loop, channels[i], "oh");
        CHECK_INT(receive(loop, channels[i], text, sizeof text), SOCKET2_ECLOSED);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static int count_threads(void) {
    DIR* dir = opendir("/proc/self/task");
    int n = -2; /* "." and ".." */
    while (readdir(dir) != NULL) ++n;
    closedir(dir);
    return n;
}

/* The threads are never joined, and the program's exit status is its own. */
static void test_the_program_ends_while_threads_run(void) {
    for (int round = 0; round < 10; ++round) {
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            const int before = count_threads();
            const int loop = new_loop();
            for (int i = 0; i < 8; ++i) {
                start(loop, &luajit,
                      "local t = {} while true do t[#t % 1000 + 1] = ('x'):rep(#t) end",
                      new_channel(loop, 0));
            }
            const double limit = in(LIMIT);
            while (count_threads() < before + 8 && socket2_clock() < limit) sched_yield();
            exit(count_threads() >= before + 8 ? 40 + round : 1);
        }
        int status = 0;
        CHECK_INT(waitpid(child, &status, 0), child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 40 + round);
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static size_t memory_size(void) {
    size_t pages = 0;
    FILE* const file = fopen("/proc/self/statm", "r");
    CHECK_INT(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit_memory(size_t more) {
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = memory_size() + more;
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
}

static void test_code_that_eats_all_memory(void) {
    need_no_qemu("a limit of memory");
    limit_memory((size_t)64 << 20);
    check_code_fails("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e5) .. i end",
                     "not enough memory");
    check_code_fails("local t = {} for i = 1, 1e9 do t[i] = {} end", "not enough memory");
    check_code_fails("local s = 'x' while true do s = s .. s end", "not enough memory");
}

/* From nothing to enough: each run gives a message or a success, and the process survives. */
static void test_memory_that_ends_anywhere(void) {
    need_no_qemu("a limit of memory");
    const int loop = new_loop();
    char text[4096];
    int none = 0, failed = 0, good = 0;
    /* A small stack, so that the limit hits Lua's memory. */
    pthread_attr_t attributes;
    CHECK_INT(pthread_attr_init(&attributes), 0);
    CHECK_INT(pthread_attr_setstacksize(&attributes, (size_t)256 << 10), 0);
    CHECK_INT(pthread_setattr_default_np(&attributes), 0);
    for (size_t more = 0; more < (size_t)4 << 20 && failures == 0; more += (size_t)16 << 10) {
        const int channel = new_channel(loop, 0);
        limit_memory(more);
        const int r =
            start(loop, &luajit, "local s = ('x'):rep(1e5) error(s:sub(1, 7), 0)", channel);
        if (r < 0) {
            limit_memory((size_t)1 << 40);
            ++none;
            CHECK(r == SOCKET2_ENOMEM || r == SOCKET2_ENOBUFS);
            CHECK_INT(socket2_channel_close(loop, channel), 0);
            continue;
        }
        const int size = receive(loop, channel, text, sizeof text);
        CHECK(size > 1);
        CHECK_INT(text[0], 0);
        if (strcmp(text + 1, "xxxxxxx") == 0) {
            ++good;
        } else {
            ++failed;
            CHECK(strstr(text + 1, "not enough memory") != NULL);
        }
        CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
        limit_memory((size_t)1 << 40);
        CHECK_INT(socket2_channel_close(loop, channel), 0);
    }
    printf("threads that did not start: %d, without memory: %d, well: %d\n", none, failed, good);
    CHECK(failed > 0);
    CHECK(good > 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

#endif

/* ---- with functions that fail --------------------------------------------------------------- */

static int state; /* stands for a state */
static atomic_int closed;
static int loadbuffer_fails, pcall_fails, cpcall_fails;
static const char* error_text;
static double pushed;

static void* no_state(void) { return NULL; }
static void* fake_newstate(void) { return &state; }
static void fake_openlibs(void* s) { CHECK(s == &state); }
static int fake_loadbuffer(void* s, const char* code, size_t size, const char* name) {
    CHECK(s == &state);
    CHECK_INT(size, 3);
    CHECK(memcmp(code, "abc", 3) == 0);
    CHECK_TEXT(name, "=code");
    return loadbuffer_fails;
}
static void fake_pushnumber(void* s, double number) {
    CHECK(s == &state);
    pushed = number;
}
static int fake_pcall(void* s, int arguments, int results, int handler) {
    CHECK(s == &state);
    CHECK_INT(arguments, 1);
    CHECK_INT(results, 0);
    CHECK_INT(handler, 0);
    return pcall_fails;
}
static int fake_cpcall(void* s, int (*function)(void*), void* data) {
    (void)data;
    return cpcall_fails ? cpcall_fails : function(s);
}
static const char* fake_tolstring(void* s, int index, size_t* size) {
    CHECK(s == &state);
    CHECK_INT(index, -1);
    if (error_text != NULL) *size = strlen(error_text);
    return error_text;
}
static void fake_close(void* s) {
    CHECK(s == &state);
    ++closed;
}

static const socket2_lua fake = {fake_newstate, fake_openlibs, fake_loadbuffer, fake_pushnumber,
                                 fake_pcall,    fake_cpcall,   fake_tolstring,  fake_close};

static void check_fake_fails(const socket2_lua* lua, const char* expected) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    closed = 0;
    CHECK_INT(start(loop, lua, "abc", channel), 0);
    check_failure(loop, channel, expected);
    CHECK_INT(closed, lua->newstate != no_state);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_no_state(void) {
    socket2_lua lua = fake;
    lua.newstate = no_state;
    check_fake_fails(&lua, "not enough memory");
}

static void test_a_state_that_fails(void) {
    cpcall_fails = 4;
    check_fake_fails(&fake, "not enough memory");
    cpcall_fails = 0;
    pcall_fails = 2;
    check_fake_fails(&fake, "the error is not a text");
    error_text = "text";
    check_fake_fails(&fake, "text");
    pcall_fails = 0;
    loadbuffer_fails = 3;
    check_fake_fails(&fake, "text");
}

static void test_a_state_that_ends_well(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    char text[64], code[] = "abc";
    socket2_lua lua = fake;
    CHECK_INT(start(loop, &lua, code, channel), 0);
    memset(code, 'x', 3);
    memset(&lua, 0, sizeof lua);
    CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
    CHECK_INT(closed, 1);
    CHECK_INT((int)pushed, socket2_channel_id(loop, channel));
    CHECK_INT(socket2_loop_close(loop), 0);
}

static atomic_int begun, go_on;

static int late_cpcall(void* s, int (*function)(void*), void* data) {
    (void)data;
    atomic_store(&begun, 1);
    const double limit = in(LIMIT);
    while (!atomic_load(&go_on) && socket2_clock() < limit) sched_yield();
    return function(s);
}

/* Two states at one address, like when the first one has ended: each belongs to its own thread. */
static void test_a_state_that_is_over_is_forgotten(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0), other = new_channel(loop, 0);
    char text[64];
    socket2_lua late = fake;
    late.cpcall = late_cpcall;
    CHECK_INT(start(loop, &late, "abc", channel), 0);
    const double limit = in(LIMIT);
    while (!atomic_load(&begun) && socket2_clock() < limit) sched_yield();
    CHECK_INT(start(loop, &fake, "abc", other), 0);
    CHECK_INT(receive(loop, other, text, sizeof text), SOCKET2_ECLOSED);
    CHECK_INT((int)pushed, socket2_channel_id(loop, other));
    atomic_store(&go_on, 1);
    CHECK_INT(receive(loop, channel, text, sizeof text), SOCKET2_ECLOSED);
    CHECK_INT((int)pushed, socket2_channel_id(loop, channel));
    CHECK_INT(closed, 2);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_bad_arguments(void) {
    const int loop = new_loop();
    const int channel = new_channel(loop, 0);
    const int timer = socket2_timer_new(loop, in(LIMIT));
    CHECK_INT(start(loop, NULL, "", channel), SOCKET2_EINVAL);
    CHECK_INT(start(loop, &fake, "", timer), SOCKET2_EBADHANDLE);
    CHECK_INT(start(loop, &fake, "", 0), SOCKET2_EBADHANDLE);
    CHECK_INT(start(0, &fake, "", channel), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_thread_new(loop, &fake, NULL, 1, "", channel), SOCKET2_EINVAL);
    CHECK_INT(socket2_thread_new(loop, &fake, "", (size_t)INT_MAX + 1, "", channel),
              SOCKET2_EINVAL);
    CHECK_INT(socket2_thread_new(loop, &fake, "", 0, NULL, channel), SOCKET2_EINVAL);
    for (size_t i = 0; i < sizeof fake / sizeof(void*); ++i) {
        socket2_lua lua = fake;
        memset((char*)&lua + i * sizeof(void*), 0, sizeof(void*));
        CHECK_INT(start(loop, &lua, "abc", channel), SOCKET2_EINVAL);
    }
    CHECK_INT(socket2_channel_recv(loop, channel, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- the calling thread --------------------------------------------------------------------- */

static void test_names(void) {
    char text[64];
    CHECK_INT(socket2_thread_setname("short"), 0);
    CHECK_INT(socket2_thread_name(text, sizeof text), 5);
    CHECK_TEXT(text, "short");
    CHECK_INT(socket2_thread_setname("longer than fifteen"), 0);
    CHECK_INT(socket2_thread_name(text, sizeof text), 15);
    CHECK_TEXT(text, "longer than fif");
    CHECK_INT(socket2_thread_name(text, 4), 15);
    CHECK_TEXT(text, "lon");
    CHECK_INT(socket2_thread_name(NULL, 0), 15);
    CHECK_INT(socket2_thread_setname(""), 0);
    CHECK_INT(socket2_thread_name(text, sizeof text), 0);
    CHECK_TEXT(text, "");
    CHECK_INT(socket2_thread_setname(NULL), SOCKET2_EINVAL);
}

static void test_cpus(void) {
    cpu_set_t set, one;
    CHECK_INT(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK_INT(socket2_thread_cpus(), CPU_COUNT(&set));
    size_t cpu = 0;
    while (!CPU_ISSET(cpu, &set)) ++cpu;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    CHECK_INT(socket2_thread_cpus(), 1);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(no_state),
    TEST(a_state_that_fails),
    TEST(a_state_that_ends_well),
    TEST(a_state_that_is_over_is_forgotten),
    TEST(bad_arguments),
    TEST(names),
    TEST(cpus),
};

static const test_case luajit_tests[] = {
    TEST(code_that_ends_well),
    TEST(code_gets_the_number),
    TEST(code_that_fails),
    TEST(an_error_with_a_zero_in_it),
    TEST(errors_that_are_no_text),
    TEST(code_that_is_none),
    TEST(bytecode),
    TEST(the_standard_libraries_are_there),
    TEST(the_thread_has_its_name),
    TEST(a_failure_comes_behind_what_is_there),
    TEST(a_failure_of_a_channel_that_was_shut_down),
    TEST(many_threads),
    TEST(the_program_ends_while_threads_run),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    TEST(code_that_eats_all_memory),
    TEST(memory_that_ends_anywhere),
#endif
};

int main(int argc, char** argv) {
    int status = run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
    if (load_luajit()) {
        status |= run_tests(luajit_tests, sizeof luajit_tests / sizeof *luajit_tests, argc, argv);
    } else {
        printf("skipped, for there is no " LUAJIT ": the tests with LuaJIT\n");
    }
    return status;
}
