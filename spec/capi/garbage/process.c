/* Calls about the process or the thread. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "spec/capi/garbage/calls.h"

static void call_error_name(void) {
    if (socket2_error_name(any_number())[0] == '\0') fail("no name", 0);
}

static void call_error_message(void) {
    if (socket2_error_message(any_number())[0] == '\0') fail("no message", 0);
}

static void call_version(void) {
    if (socket2_version()[0] == '\0') fail("no version", 0);
}

static void call_abi_version(void) {
    if (socket2_abi_version() != SOCKET2_ABI_VERSION) fail("another version", 0);
}

static void call_clock(void) {
    static double last;
    const double now = socket2_clock();
    if (!(now >= last)) fail("time runs backwards", 0);
    last = now;
}

static void call_time(void) {
    if (!(socket2_time() > 1.7e9)) fail("a time long ago", 0);
}

static void call_thread_cpus(void) {
    if (socket2_thread_cpus() < 1) fail("no processor", 0);
}

static void call_hostname(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    if (check_code(socket2_hostname(one_in(20) ? NULL : text, size)) == 0) fail("no name", 0);
    check_guards(size);
}

char thread_name[256];

static void call_thread_setname(void) {
    const char* name = one_in(10) ? NULL : any_garbage_text();
    const int code = check_code(socket2_thread_setname(name));
    if (code != (name == NULL ? SOCKET2_EINVAL : 0)) fail("a name that is refused", code);
    if (name == NULL) return;
    snprintf(thread_name, sizeof thread_name, "%.*s", THREAD_NAME, name);
    /* Some systems keep characters, not bytes: a byte that is no character becomes another one. */
    for (const char* p = name; *p != 0; ++p) {
        if ((unsigned char)*p > 127) socket2_thread_name(thread_name, sizeof thread_name);
    }
}

static void call_thread_name(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    char* const out = one_in(20) ? NULL : text;
    const int length = check_code(socket2_thread_name(out, size));
    check_guards(size);
    if (length != (int)strlen(thread_name)) fail("the length of its name", length);
    if (out != NULL && size > strlen(thread_name) && strcmp(text, thread_name) != 0)
        fail("not its name", length);
}

static call calls[] = {
    CALL(abi_version), CALL(clock),       CALL(error_message),  CALL(error_name), CALL(hostname),
    CALL(thread_cpus), CALL(thread_name), CALL(thread_setname), CALL(time),       CALL(version),
};
const call_table process_calls = {calls, sizeof calls / sizeof *calls};
