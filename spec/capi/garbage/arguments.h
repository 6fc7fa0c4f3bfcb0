/* Random arguments, good and bad. */
#ifndef SOCKET2_SPEC_GARBAGE_ARGUMENTS_H
#define SOCKET2_SPEC_GARBAGE_ARGUMENTS_H

#include "spec/capi/garbage/model.h"

enum { DATA = 1 << 16 };
extern char* data; /* of this size */

extern socket2_addr good_addrs[64];

/* Text is written into the middle of a place of this size; what lies around it must stay. */
enum { GUARD = 64, ROOM = 192 };

/* Descriptors that this test makes handles on: the ends of pipes and of pairs, events, a file. */
extern int own_fds[8];

void make_arguments(void);
void free_arguments(void);

int any_number(void);
int any_loop(void);
int any_handle(int loop, int kinds);
int any_socket(int loop);
socket2_addr* fresh_addr(void);
void remember_addr(const socket2_addr* addr);
socket2_addr* any_addr(void);
socket2_addr* room_for_addr(void);
double any_deadline(void);
size_t any_size(void);
char* any_data(void);
const char* any_garbage_text(void);
const char* any_option(void);
const char* any_option_text(void);
const char* any_interface(void);
char* guarded_text(void);
void check_guards(size_t size);
int any_protocol(int good);
int any_family(void);
void stir_own_fds(void);

#endif
