/* Relays DNS questions to a server on the next port, at once, and its answers some time later. In C, so that it
 * leaves the processor to what is measured.
 *
 * usage: late PORT SECONDS COMMAND…     of 127.0.0.1; the command is the server, and ends with this program
 *
 * Each asker, which is a port of 127.0.0.1, has a socket of its own towards the server: what comes back there
 * is for it. All answers wait equally long, so the first one in is the first one out.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define LONGEST 4096 /* of a message: more than EDNS is used for here */
#define WAITING 8192 /* answers at once, a power of two; more of them wait in the kernel */

struct answer {
    long long due; /* nanoseconds of the monotonic clock */
    int asker;     /* a port */
    int length;
    char message[LONGEST];
};

static struct answer queue[WAITING];
static unsigned first, next;
static int links[65536]; /* the socket towards the server, of each asker; 0: none yet */

static void need(int is_so, const char *what) {
    if (is_so) return;
    perror(what);
    exit(1);
}

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct sockaddr_in at(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int bound(int type, int port) {
    struct sockaddr_in address = at(port);
    int fd = socket(AF_INET, type, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    need(bind(fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    return fd;
}

static void watch(int epoll, int fd, int asker) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = asker};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

/* Takes the questions that are there. */
static void ask(int front, int epoll, int server) {
    char message[LONGEST];
    struct sockaddr_in from;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t length = recvfrom(front, message, sizeof message, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (length <= 0) return;
        int asker = ntohs(from.sin_port);
        if (!links[asker]) {
            struct sockaddr_in there = at(server);
            links[asker] = socket(AF_INET, SOCK_DGRAM, 0);
            need(links[asker] > 0, "socket");
            need(connect(links[asker], (struct sockaddr *)&there, sizeof there) == 0, "connect");
            watch(epoll, links[asker], asker);
        }
        send(links[asker], message, length, MSG_DONTWAIT);
    }
}

/* Puts the answers off that have come for an asker. */
static void put_off(int asker, long long delay) {
    while (next - first < WAITING) {
        struct answer *answer = &queue[next % WAITING];
        ssize_t length = recv(links[asker], answer->message, LONGEST, MSG_DONTWAIT);
        if (length <= 0) return;
        answer->due = now() + delay;
        answer->asker = asker;
        answer->length = length;
        next++;
    }
}

/* Sends what is due; how long until the next answer is. */
static struct timespec *deliver(int front, struct timespec *rest) {
    for (; first != next; first++) {
        struct answer *answer = &queue[first % WAITING];
        long long wait = answer->due - now();
        if (wait > 0) {
            *rest = (struct timespec){wait / 1000000000, wait % 1000000000};
            return rest;
        }
        struct sockaddr_in to = at(answer->asker);
        sendto(front, answer->message, answer->length, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
    }
    return NULL;
}

static void server_has_ended(int number) {
    (void)number;
    _exit(1);
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int port = atoi(argv[1]);
    long long delay = atof(argv[2]) * 1e9;
    int front = bound(SOCK_DGRAM, port), epoll = epoll_create1(0);
    signal(SIGCHLD, server_has_ended);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    watch(epoll, front, 0);
    /* Whoever waits for this program tries to connect. */
    need(listen(bound(SOCK_STREAM, port), 16) == 0, "listen");
    for (;;) {
        struct epoll_event events[EVENTS];
        struct timespec rest;
        int count = epoll_pwait2(epoll, events, EVENTS, deliver(front, &rest), NULL);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 == 0) ask(front, epoll, port + 1);
            else put_off(events[i].data.u32, delay);
        }
    }
}
