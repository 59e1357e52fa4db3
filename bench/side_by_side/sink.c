/* An SMTP server that takes every message and forgets it, as smtp-sink(1) does, behind a proxy that
 * announces its clients with PROXY protocol 2, which smtp-sink takes for a QUIT.
 *
 * usage: sink PORT HEADER     of 127.0.0.1; HEADER: 1 if each connection begins with the PROXY header,
 *                             of version 2, or of version 1, which is a line
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512
#define HEADER 16 /* of the PROXY header: signature, command, family, and the length of the rest */

struct session {
    int fd;
    int skip;    /* bytes of the PROXY header that are still to come; -1: its length is not known */
    int head;    /* how much of the first 16 bytes is there */
    int matched; /* how much of the end of the data */
    int in_data;
    int length;
    char line[8];
    unsigned char header[HEADER];
};

static const char END[] = "\r\n.\r\n";

static void say(struct session *s, const char *text) { send(s->fd, text, strlen(text), MSG_NOSIGNAL); }

/* Answers a command; returns 0 after QUIT. */
static int obey(struct session *s) {
    if (!strncasecmp(s->line, "DATA", 4)) {
        say(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
        s->in_data = 1;
        s->matched = 2; /* the line break of DATA itself may be the one before the dot */
    } else if (!strncasecmp(s->line, "EHLO", 4)) {
        say(s, "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
    } else if (!strncasecmp(s->line, "QUIT", 4)) {
        say(s, "221 2.0.0 Bye\r\n");
        return 0;
    } else {
        say(s, "250 2.0.0 Ok\r\n");
    }
    return 1;
}

static int take(struct session *s, char c) {
    if (s->skip < 0) {
        if (s->header[0] == 'P') {
            if (c == '\n') s->skip = 0;
        } else {
            s->header[s->head++] = c;
        }
        if (s->head == HEADER) s->skip = s->header[14] << 8 | s->header[15];
        if (s->skip == 0) say(s, "220 sink.test ESMTP\r\n");
        return 1;
    }
    if (s->skip > 0) {
        if (--s->skip == 0) say(s, "220 sink.test ESMTP\r\n");
        return 1;
    }
    if (s->in_data) {
        if (c == END[s->matched]) s->matched++;
        else s->matched = c == '\r';
        if (!END[s->matched]) {
            s->in_data = 0;
            say(s, "250 2.0.0 Ok: queued as 4SINK\r\n");
        }
        return 1;
    }
    if (c != '\n') {
        if (s->length < (int)sizeof s->line) s->line[s->length++] = c;
        return 1;
    }
    s->length = 0;
    return obey(s);
}

/* Returns 0 when the session is over. */
static int read_on(struct session *s) {
    char data[16384];
    ssize_t got = recv(s->fd, data, sizeof data, 0);
    if (got < 0) return errno == EAGAIN;
    for (ssize_t i = 0; i < got; i++)
        if (!take(s, data[i])) return 0;
    return got > 0;
}

static void admit(int listener, int poller, int header) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct session *s = calloc(1, sizeof *s);
        s->fd = fd;
        s->skip = header ? -1 : 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        if (!header) say(s, "220 sink.test ESMTP\r\n");
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: sink PORT HEADER\n");
        return 2;
    }
    int header = atoi(argv[2]), on = 1;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) {
        perror("sink");
        return 1;
    }
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct session *s = events[i].data.ptr;
            if (!s) {
                admit(listener, poller, header);
            } else if (!read_on(s)) {
                close(s->fd);
                free(s);
            }
        }
    }
}
