// Opens connections to 127.0.0.1, prints "open N", and holds them until the end of stdin.
// usage: parked_client port connections

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char** argv) {
    int port = argc == 3 ? atoi(argv[1]) : 0;
    int count = argc == 3 ? atoi(argv[2]) : 0;
    if (port < 1 || port > 65535 || count < 1) {
        fprintf(stderr, "usage: %s port connections\n", argv[0]);
        return 2;
    }
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            perror("socket");
            return 1;
        }
        if (connect(fd, (struct sockaddr*)&addr, sizeof addr) < 0) {
            perror("connect");
            return 1;
        }
    }
    printf("open %d\n", count);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
