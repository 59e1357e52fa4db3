/* SMTP load from one thread: many sessions at once, each a dialog that is said again and again.
 *
 * usage: load DIALOG PORT SESSIONS SECONDS FIRST SOURCES RATE
 *
 *   DIALOG    refused: read the greeting, say QUIT, wait for the end of the connection
 *             dropped: the same, but a connection that ends without a word is as good
 *             mail:    one message; a greeting that is no 220 leads to QUIT at once
 *   PORT      of 127.0.0.1
 *   SESSIONS  at once; with a RATE the most
 *   SECONDS   how long; the first half second is not counted
 *   FIRST     client addresses are FIRST, FIRST + 1, … in turn,
 *   SOURCES   so many of them
 *   RATE      new sessions a second; 0: the next one as soon as one has ended
 *
 * Prints one object of JSON: how sessions have ended, and of each step the time from what was said to
 * the last line of the reply, in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS 500000000LL
#define EVENTS 512
#define FINEST 16 /* times are kept to a sixteenth of a power of two */
#define CLASSES (64 * FINEST)
#define STEPS 8

struct dialog {
    const char *name[STEPS];
    const char *said[STEPS]; /* NULL: nothing, the reply comes by itself */
    int steps;               /* the last one is QUIT */
};

#define LINE "The quick brown fox jumps over the lazy dog, and the lazy dog does not mind it a bit.\r\n"
#define LINES10 LINE LINE LINE LINE LINE LINE LINE LINE LINE LINE
static const char MESSAGE[] = "From: <a@client.test>\r\nTo: <b@example.test>\r\nSubject: load\r\n"
                              "Message-ID: <load@client.test>\r\n\r\n" LINES10 LINES10 LINES10 LINES10 ".\r\n";

static const struct dialog DROPPED = {{"greeting", "quit"}, {NULL, "QUIT\r\n"}, 2};
static const struct dialog REFUSED = {{"greeting", "quit"}, {NULL, "QUIT\r\n"}, 2};
static const struct dialog MAIL = {
    {"greeting", "ehlo", "mail", "rcpt", "data", "message", "quit"},
    {NULL, "EHLO client.test\r\n", "MAIL FROM:<a@client.test>\r\n", "RCPT TO:<b@example.test>\r\n",
     "DATA\r\n", MESSAGE, "QUIT\r\n"},
    7};

struct session {
    int fd;
    int step;
    int refused;
    int at_line_start;
    int length;
    long long since;
    char line[4]; /* the beginning of the line that is being read */
};

static const struct dialog *dialog;
static struct sockaddr_in target;
static uint32_t first_source, sources, next_source;
static int poller;
static long long counting_from, counting_to;
static long long served, refused, broken, all_ended;
static int broken_errno, broken_step;
static unsigned times[STEPS][CLASSES];

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int class_of(long long us) {
    if (us < FINEST) return (int)us;
    int top = 63 - __builtin_clzll((unsigned long long)us);
    return (top - 3) * FINEST + (int)(us >> (top - 4)) - FINEST;
}

static long long from_class(int class) {
    if (class < FINEST) return class;
    return (long long)(class % FINEST + FINEST) << (class / FINEST - 1);
}

static int counted(long long now) { return now >= counting_from && now < counting_to; }

static int begin(struct session *s) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0) return -1;
    setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    from.sin_addr.s_addr = htonl(first_source + next_source);
    next_source = (next_source + 1) % sources;
    if (bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        (connect(s->fd, (struct sockaddr *)&target, sizeof target) < 0 && errno != EINPROGRESS)) {
        broken_errno = errno;
        close(s->fd);
        return -1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
    s->step = s->refused = s->length = 0;
    s->at_line_start = 1;
    s->since = now_ns();
    return 0;
}

static void end(struct session *s, int whole) {
    close(s->fd);
    s->fd = -1;
    all_ended++;
    if (!counted(now_ns())) return;
    if (!whole) {
        broken++;
        broken_step = s->step;
    } else if (s->refused) refused++;
    else served++;
}

/* A whole reply has come. Returns 0 where the session cannot go on. */
static int replied(struct session *s) {
    long long now = now_ns();
    if (s->step >= dialog->steps) return 0;
    if (counted(now)) {
        times[s->step][class_of((now - s->since) / 1000)]++;
    }
    if (s->line[0] != '2' && s->line[0] != '3') {
        if (s->step > 0) return 0;
        s->refused = 1;
        s->step = dialog->steps - 2;
    }
    s->step++;
    if (s->step == dialog->steps) return 1;
    const char *text = dialog->said[s->step];
    s->since = now;
    send(s->fd, text, strlen(text), MSG_NOSIGNAL);
    return 1;
}

/* Who has heard a refusal has all there was to hear, and who is dropped hears nothing. */
static int is_whole(const struct session *s) { return s->step >= dialog->steps || s->refused || dialog == &DROPPED; }

/* Reads what is there. Returns 0 when the session is over. */
static int read_on(struct session *s) {
    char data[4096];
    ssize_t got = recv(s->fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) {
        if (got < 0) broken_errno = errno;
        s->refused |= dialog == &DROPPED;
        end(s, is_whole(s));
        return 0;
    }
    for (char *at = data; at < data + got; at++) {
        if (s->length < 4) s->line[s->length++] = *at;
        if (*at != '\n') continue;
        int last = s->length == 4 && s->line[3] != '-';
        s->length = 0;
        if (last && !replied(s)) {
            end(s, 0);
            return 0;
        }
    }
    return 1;
}

static double percentile(const unsigned *classes, double share) {
    unsigned long long all = 0, sum = 0;
    for (int i = 0; i < CLASSES; i++) all += classes[i];
    for (int i = 0; i < CLASSES; i++)
        if ((sum += classes[i]) && sum >= share * all) return from_class(i);
    return 0;
}

static void print_times(const char *name, const unsigned *classes) {
    printf("\"%s\": {\"p50\": %.0f, \"p99\": %.0f, \"max\": %.0f}", name, percentile(classes, 0.5),
           percentile(classes, 0.99), percentile(classes, 1.0));
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: load refused|dropped|mail PORT SESSIONS SECONDS FIRST SOURCES RATE\n");
        return 2;
    }
    dialog = !strcmp(argv[1], "mail") ? &MAIL : !strcmp(argv[1], "dropped") ? &DROPPED : &REFUSED;
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int most = atoi(argv[3]), rate = atoi(argv[7]);
    first_source = ntohl(inet_addr(argv[5]));
    sources = strtoul(argv[6], NULL, 10);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct session *all = calloc(most, sizeof *all), **free_ones = calloc(most, sizeof *free_ones);
    int free_count = most, made = 0;
    for (int i = 0; i < most; i++) free_ones[i] = &all[i];
    poller = epoll_create1(0);
    long long start = now_ns();
    counting_from = start + WARM_UP_NS;
    counting_to = start + (long long)(atof(argv[4]) * 1e9) + WARM_UP_NS;
    struct epoll_event events[EVENTS];
    for (long long now = start; now < counting_to; now = now_ns()) {
        long long due = rate ? (long long)((now - start) / 1e9 * rate) - made : most;
        for (; due > 0 && free_count > 0; due--, made++)
            if (begin(free_ones[--free_count]) < 0) {
                free_count++;
                if (counted(now)) broken++;
                break;
            }
        int count = epoll_wait(poller, events, EVENTS, rate || free_count ? 1 : 100);
        for (int i = 0; i < count; i++) {
            struct session *s = events[i].data.ptr;
            if (!read_on(s)) free_ones[free_count++] = s;
        }
    }
    double seconds = (counting_to - counting_from) / 1e9;
    printf("{\"seconds\": %.3f, \"served\": %lld, \"refused\": %lld, \"broken\": %lld, \"all_ended\": %lld, \"per_second\": %.1f, ",
           seconds, served, refused, broken, all_ended, (served + refused) / seconds);
    if (broken) printf("\"trouble\": \"%s at step %d\", ", strerror(broken_errno), broken_step);
    printf("\"steps\": {");
    unsigned together[CLASSES] = {0};
    for (int i = 0; i < dialog->steps; i++) {
        if (i) printf(", ");
        print_times(dialog->name[i], times[i]);
        for (int k = 0; k < CLASSES; k++) together[k] += times[i][k];
    }
    printf("}, ");
    print_times("replies", together);
    printf("}\n");
    return 0;
}
