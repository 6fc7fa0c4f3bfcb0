/* The Lua modules in a state with an allocator that fails: at an operation's first allocation, at
 * the second, and so on until it needs no more; at its beginning and at its end; only that
 * allocation, or it and all that follow. Lua's memory comes from malloc(), so that a sanitizer
 * notices uses of freed memory. Modules and spec/support are found along LUA_PATH. */
#include <dlfcn.h>

#include "spec/capi/harness.h"

#define LUAJIT "libluajit-5.1.so.2"

typedef struct lua_State lua_State;

enum { LUA_GLOBALS_INDEX = -10002 };

/* LuaJIT's functions, if it is installed. */
static struct {
    lua_State* (*newstate)(void* (*)(void*, void*, size_t, size_t), void*);
    void (*openlibs)(lua_State*);
    int (*loadbuffer)(lua_State*, const char*, size_t, const char*);
    int (*pcall)(lua_State*, int, int, int);
    const char* (*tolstring)(lua_State*, int, size_t*);
    ptrdiff_t (*tointeger)(lua_State*, int);
    void (*pushboolean)(lua_State*, int);
    void (*pushstring)(lua_State*, const char*);
    void (*pushcclosure)(lua_State*, int (*)(lua_State*), int);
    void (*setfield)(lua_State*, int, const char*);
    void (*settop)(lua_State*, int);
    void (*close)(lua_State*);
} lua;

static int load_luajit(void) {
    void* const library = dlopen(LUAJIT, RTLD_NOW | RTLD_NOLOAD);
    if (library == NULL) return 0;
    /* POSIX does it like this, because C itself cannot convert one kind of pointer to the other. */
    *(void**)&lua.newstate = dlsym(library, "lua_newstate");
    *(void**)&lua.openlibs = dlsym(library, "luaL_openlibs");
    *(void**)&lua.loadbuffer = dlsym(library, "luaL_loadbuffer");
    *(void**)&lua.pcall = dlsym(library, "lua_pcall");
    *(void**)&lua.tolstring = dlsym(library, "lua_tolstring");
    *(void**)&lua.tointeger = dlsym(library, "lua_tointeger");
    *(void**)&lua.pushboolean = dlsym(library, "lua_pushboolean");
    *(void**)&lua.pushstring = dlsym(library, "lua_pushstring");
    *(void**)&lua.pushcclosure = dlsym(library, "lua_pushcclosure");
    *(void**)&lua.setfield = dlsym(library, "lua_setfield");
    *(void**)&lua.settop = dlsym(library, "lua_settop");
    *(void**)&lua.close = dlsym(library, "lua_close");
    return 1;
}

static ptrdiff_t until_failure; /* allocations; 0: none fails */
static int and_after;           /* whether those after it fail, too */
static int failed;

/* An lua_Alloc function: shrinking never fails. */
static void* allocate(void* unused, void* memory, size_t before, size_t size) {
    (void)unused;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if (size > before && until_failure > 0 && --until_failure == 0) {
        failed = 1;
        until_failure = and_after;
        return NULL;
    }
    return realloc(memory, size);
}

/* limit(n, f) -> boolean: calls f(), in which the n-th allocation fails. Returns whether it was
 * reached. */
static int limit(lua_State* state) {
    failed = 0;
    until_failure = lua.tointeger(state, 1);
    lua.pcall(state, 0, 0, 0);
    until_failure = 0;
    lua.settop(state, 0);
    lua.pushboolean(state, failed);
    return 1;
}

/* Interpreted, because compiled code of older LuaJITs does not survive a failed allocation. */
static const char check[] =
    "jit.off()\n"
    "require'socket2'.onerror = function() end\n"
    "local check = require'interrupted'.check\n"
    "assert(check(kind, limit) > 1)\n"
    "check(kind, limit, true)\n";

static void check_kind(const char* kind) {
    lua_State* const state = lua.newstate(allocate, NULL);
    if (state == NULL) skip("this LuaJIT takes no other allocator");
    lua.openlibs(state);
    lua.pushcclosure(state, limit, 0);
    lua.setfield(state, LUA_GLOBALS_INDEX, "limit");
    lua.pushstring(state, kind);
    lua.setfield(state, LUA_GLOBALS_INDEX, "kind");
    for (and_after = 0; and_after <= 1; ++and_after) {
        if (lua.loadbuffer(state, check, sizeof check - 1, "=check") != 0 ||
            lua.pcall(state, 0, 0, 0) != 0) {
            printf("%s%s\n", lua.tolstring(state, -1, NULL), and_after ? ", and after" : "");
            ++failures;
        }
    }
    lua.close(state);
}

#define KINDS(_)                            \
    _(recv, "recv")                         \
    _(readline, "readline")                 \
    _(send, "send")                         \
    _(accept, "accept")                     \
    _(connect, "connect")                   \
    _(udp_recv, "udp recv")                 \
    _(udp_send, "udp send")                 \
    _(fd_recv, "fd recv")                   \
    _(fd_send, "fd send")                   \
    _(wait, "wait")                         \
    _(channel_recv, "channel recv")         \
    _(channel_send, "channel send")         \
    _(look_up, "lookup")                    \
    _(sleep, "sleep")                       \
    _(event, "event")                       \
    _(semaphore, "semaphore")               \
    _(queue, "queue")                       \
    _(new_objects, "new objects")           \
    _(classic, "a drop-in's objects")       \
    _(signal, "signal")                     \
    _(send_in_line, "send in line")         \
    _(udp_recv_in_line, "udp recv in line") \
    _(accept_in_line, "accept in line")

#define KIND_TEST(id, kind) \
    static void test_##id(void) { check_kind(kind); }
#define KIND_CASE(id, kind) TEST(id),

KINDS(KIND_TEST)

static const test_case tests[] = {KINDS(KIND_CASE)};

int main(int argc, char** argv) {
    if (!load_luajit()) {
        printf("SKIPPED: no_memory\nskipped: there is no " LUAJIT "\n0 passed, 0 failed\n");
        return 0;
    }
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
