/* Calls of addresses and lookups. */
#define _GNU_SOURCE
#include <math.h>
#include <string.h>

#include "spec/capi/garbage/calls.h"

/* Addresses that a lookup writes; what lies behind them must stay. */
static socket2_addr found[3];
enum { FOUND = 2 };

static void check_found(int n, int max) {
    for (int i = 0; i < n && i < max; ++i) {
        if (socket2_addr_family(&found[i]) <= 0) fail("found what is no address", n);
    }
    const unsigned char* behind = (const unsigned char*)&found[FOUND];
    for (size_t i = 0; i < sizeof *found; ++i) {
        if (behind[i] != 0x5a) fail("wrote behind the addresses", (int)i);
    }
}

typedef struct {
    const char *host, *service;
    int type, family, protocol, flags;
} endpoint;

/* Garbage names only where no name server would be asked for them. */
static endpoint any_endpoint(void) {
    static const char* const hosts[] = {NULL, "*", "127.0.0.1", "::1", "", "fe80::1%lo", "@x", ":"};
    static const char* const services[] = {NULL, "0", "80", "65535", "65536", "", "-1", "http"};
    endpoint e;
    e.family = any_family();
    const int garbage = one_in(5);
    e.flags = one_in(10) ? any_number() : below(128);
    if (garbage || e.family == 0) e.flags |= SOCKET2_NUMERICHOST;
    e.flags |= SOCKET2_NUMERICSERV;
    e.host = garbage ? any_garbage_text() : PICK(hosts);
    if (e.host != NULL && strcmp(e.host, ":") == 0) e.flags |= SOCKET2_NUMERICHOST;
    e.service = PICK(services);
    e.type = one_in(10) ? any_number() : 1 + below(3);
    e.protocol = any_protocol(6);
    return e;
}

static void call_addr_lookup(void) {
    const endpoint e = any_endpoint();
    memset(found, 0x5a, sizeof found);
    const int max = one_in(10) ? any_number() : below(FOUND + 1);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    /* `max` is how much room the caller says there is. */
    socket2_addr* const out = max > FOUND || one_in(20) ? NULL : found;
    const int n = socket2_addr_lookup(e.host, e.service, e.type, e.family, e.protocol, e.flags, out,
                                      max, one_in(5) ? NULL : text, size);
    check_code(n);
    check_guards(size);
    if (n == 0) fail("no address and no error", n);
    check_found(out == NULL ? 0 : n, max);
}

/* It never asks the network, so any garbage will do. */
static void call_addr_parse(void) {
    endpoint e = any_endpoint();
    if (one_in(2)) e.host = any_garbage_text();
    if (one_in(2)) e.flags &= ~SOCKET2_NUMERICHOST;
    memset(found, 0x5a, sizeof found);
    socket2_addr* const out = one_in(20) ? NULL : &found[FOUND - 1];
    const int n = socket2_addr_parse(e.host, e.service, e.type, e.family, e.protocol, e.flags, out);
    check_code(n);
    if (n > 1 || (n >= 0 && out == NULL)) fail("neither parsed nor not", n);
    if (n == 1 && socket2_addr_family(out) <= 0) fail("parsed what is no address", n);
    const unsigned char* bytes = (const unsigned char*)out;
    for (size_t i = 0; out != NULL && n != 1 && i < sizeof *out; ++i) {
        if (bytes[i] != 0x5a) fail("wrote without an address", (int)i);
    }
    check_found(0, 0);
}

static void call_lookup_new(void) {
    const int loop = any_loop();
    endpoint e = any_endpoint();
    if (is_full(loop) || !one_in(2)) return;
    e.flags |= SOCKET2_NUMERICHOST;
    const int handle = socket2_lookup_new(loop, e.host, e.service, e.type, e.family, e.protocol,
                                          e.flags, any_deadline());
    made_socket(loop, handle, LOOKUP);
    if (handle > 0) check_op(loop, handle, LOOKUP, SOCKET2_LOOKUP, 0, SOCKET2_PENDING);
}

static void call_lookup_cancel(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    check_socket(loop, handle, LOOKUP, socket2_lookup_cancel(loop, handle));
}

static void call_lookup_result(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    memset(found, 0x5a, sizeof found);
    const int max = one_in(10) ? any_number() : below(FOUND + 1);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    socket2_addr* const out = max > FOUND || one_in(20) ? NULL : found;
    const int n =
        check_socket(loop, handle, LOOKUP,
                     socket2_lookup_result(loop, handle, out, max, one_in(5) ? NULL : text, size));
    check_guards(size);
    if (n == 0) fail("no address and no error", n);
    const int is_early = n != SOCKET2_EBADHANDLE && find_pending(loop, handle, SOCKET2_LOOKUP);
    if (is_early && n != SOCKET2_EBUSY && n != SOCKET2_EINVAL) {
        fail("a result before the event", n);
    }
    check_found(out == NULL ? 0 : n, max);
}

static void call_lookup_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    if (check_socket(loop, handle, LOOKUP, socket2_lookup_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}

static void call_lookup_cache(void) {
    static const double times[] = {0, 0, 1e-3, 60, 1e300, INFINITY, -1, -INFINITY, NAN};
    const double seconds = PICK(times);
    const int code = socket2_lookup_cache(seconds);
    if (code != (seconds >= 0 ? 0 : SOCKET2_EINVAL)) fail("how long to remember", code);
}

static void call_addr_type(void) {
    const int type = socket2_addr_type(any_addr());
    check_code(type);
    if (type >= 0 && (type < 1 || type > 3)) fail("an unknown type", type);
}

static void call_addr_family(void) {
    const int family = socket2_addr_family(any_addr());
    check_code(family);
    if (family >= 0 && (family < 1 || family > 3)) fail("an unknown family", family);
}

static void call_addr_protocol(void) {
    const int protocol = socket2_addr_protocol(any_addr());
    check_code(protocol);
    if (protocol < 0 && protocol != SOCKET2_EINVAL) fail("a negative protocol", protocol);
}

static void call_addr_port(void) {
    const int port = socket2_addr_port(any_addr());
    check_code(port);
    if (port > 65535) fail("a large port", port);
}

static void call_addr_ip(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    check_code(socket2_addr_ip(any_addr(), one_in(20) ? NULL : text, size));
    check_guards(size);
}

static void call_addr_format(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    const int n = socket2_addr_format(any_addr(), one_in(20) ? NULL : text, size);
    check_code(n);
    if (n >= ROOM) fail("longer than the header says", n);
    check_guards(size);
}

static call calls[] = {
    CALL(addr_family),   CALL(addr_format),   CALL(addr_ip),       CALL(addr_lookup),
    CALL(addr_parse),    CALL(addr_port),     CALL(addr_protocol), CALL(addr_type),
    CALL(lookup_cache),  CALL(lookup_cancel), CALL(lookup_close),  CALL(lookup_new),
    CALL(lookup_result),
};
const call_table name_calls = {calls, sizeof calls / sizeof *calls};
