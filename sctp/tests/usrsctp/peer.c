/*
 * A peer for the tests: usrsctp (the SCTP of Firefox, Chromium of old and libdatachannel) over
 * AF_CONN, its packets in UDP datagrams on loopback.
 *
 *     peer REMOTE_PORT listen|connect
 *
 * prints its own UDP port and sends every message back as it came. DCEP's OPEN is answered by an
 * ACK, and a stream that the other side resets is reset in return.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <usrsctp.h>

struct message {
    struct message *next;
    uint16_t stream, flags;
    uint32_t ppid;
    size_t len;
    char bytes[];
};

static int udp;
static struct sockaddr_in remote;
static struct socket *association;
static struct message *first, **last = &first;
static char partial[1 << 20];
static size_t partial_len;
static uint16_t resets[65536];
static int reset_count, ended;

static int output(void *address, void *packet, size_t len, uint8_t tos, uint8_t df) {
    (void)address, (void)tos, (void)df;
    sendto(udp, packet, len, 0, (struct sockaddr *)&remote, sizeof remote);
    return 0;
}

static void echo(uint16_t stream, uint16_t flags, uint32_t ppid, const char *bytes, size_t len) {
    struct message *m = malloc(sizeof *m + len);
    m->next = NULL, m->stream = stream, m->flags = flags, m->ppid = ppid, m->len = len;
    memcpy(m->bytes, bytes, len);
    *last = m, last = &m->next;
}

static void notification(union sctp_notification *n) {
    if (n->sn_header.sn_type == SCTP_STREAM_RESET_EVENT &&
        (n->sn_strreset_event.strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN)) {
        struct sctp_stream_reset_event *event = &n->sn_strreset_event;
        size_t count = (event->strreset_length - sizeof *event) / sizeof(uint16_t);
        for (size_t i = 0; i < count; i++)
            resets[reset_count++] = event->strreset_stream_list[i];
    }
    if (n->sn_header.sn_type == SCTP_ASSOC_CHANGE &&
        (n->sn_assoc_change.sac_state == SCTP_COMM_LOST ||
         n->sn_assoc_change.sac_state == SCTP_SHUTDOWN_COMP))
        ended = 1;
}

static int receive(struct socket *s, union sctp_sockstore from, void *data, size_t len,
                   struct sctp_rcvinfo info, int flags, void *user) {
    (void)s, (void)from, (void)user;
    if (data == NULL) {
        ended = 1;
        return 1;
    }
    if (flags & MSG_NOTIFICATION) {
        notification(data);
    } else {
        if (partial_len + len <= sizeof partial)
            memcpy(partial + partial_len, data, len), partial_len += len;
        if (flags & MSG_EOR) {
            uint32_t ppid = ntohl(info.rcv_ppid);
            if (ppid == 50 && partial[0] == 3)
                echo(info.rcv_sid, 0, 50, "\2", 1);
            else if (ppid != 50)
                echo(info.rcv_sid, info.rcv_flags & SCTP_UNORDERED, ppid, partial, partial_len);
            partial_len = 0;
        }
    }
    free(data);
    return 1;
}

static void flush(void) {
    while (association && first) {
        struct sctp_sndinfo info = {0};
        info.snd_sid = first->stream;
        info.snd_flags = first->flags | SCTP_EOR;
        info.snd_ppid = htonl(first->ppid);
        if (usrsctp_sendv(association, first->bytes, first->len, NULL, 0, &info, sizeof info,
                          SCTP_SENDV_SNDINFO, 0) < 0)
            break;
        struct message *done = first;
        first = done->next;
        if (!first)
            last = &first;
        free(done);
    }
    if (association && !first && reset_count) {
        /* usrsctp refuses more in one request. */
        int count = reset_count < 200 ? reset_count : 200;
        size_t len = sizeof(struct sctp_reset_streams) + count * sizeof(uint16_t);
        struct sctp_reset_streams *request = calloc(1, len);
        request->srs_flags = SCTP_STREAM_RESET_OUTGOING;
        request->srs_number_streams = count;
        memcpy(request->srs_stream_list, resets, count * sizeof(uint16_t));
        if (usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_STREAMS, request, len) == 0) {
            reset_count -= count;
            memmove(resets, resets + count, reset_count * sizeof(uint16_t));
        }
        free(request);
    }
}

static void configure(struct socket *s) {
    int size = 8 << 20, on = 1;
    struct sctp_assoc_value reset = {SCTP_ALL_ASSOC, SCTP_ENABLE_RESET_STREAM_REQ};
    struct sctp_initmsg init = {.sinit_num_ostreams = 1024, .sinit_max_instreams = 1024};
    usrsctp_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    usrsctp_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
    usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset);
    usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init);
    uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
    for (int i = 0; i < 2; i++) {
        struct sctp_event event = {SCTP_ALL_ASSOC, events[i], 1};
        usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
    }
    usrsctp_set_non_blocking(s, 1);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    struct sockaddr_in local = {.sin_family = AF_INET};
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    remote = local, remote.sin_port = htons(atoi(argv[1]));
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    int size = 4 << 20;
    setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    socklen_t local_len = sizeof local;
    if (bind(udp, (struct sockaddr *)&local, sizeof local) != 0 ||
        getsockname(udp, (struct sockaddr *)&local, &local_len) != 0)
        return 1;
    printf("%d\n", ntohs(local.sin_port));
    fflush(stdout);

    usrsctp_init_nothreads(0, output, NULL);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_register_address(&udp);
    struct socket *s =
        usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, receive, NULL, 0, NULL);
    struct sockaddr_conn address = {.sconn_family = AF_CONN};
    address.sconn_port = htons(5000), address.sconn_addr = &udp;
    configure(s);
    if (usrsctp_bind(s, (struct sockaddr *)&address, sizeof address) != 0)
        return 1;
    if (argv[2][0] == 'c') {
        usrsctp_connect(s, (struct sockaddr *)&address, sizeof address);
        association = s;
    } else if (usrsctp_listen(s, 1) != 0) {
        return 1;
    }

    struct timeval before, now;
    gettimeofday(&before, NULL);
    for (int linger = 0; linger < 20;) {
        struct pollfd ready = {.fd = udp, .events = POLLIN};
        poll(&ready, 1, 5);
        static char packet[65536];
        for (int i = 0; i < 64; i++) {
            ssize_t len = recv(udp, packet, sizeof packet, MSG_DONTWAIT);
            if (len <= 0)
                break;
            usrsctp_conninput(&udp, packet, len, 0);
        }
        gettimeofday(&now, NULL);
        int elapsed = (now.tv_sec - before.tv_sec) * 1000 + (now.tv_usec - before.tv_usec) / 1000;
        if (elapsed > 0) {
            usrsctp_handle_timers(elapsed);
            before = now;
        }
        if (!association && (association = usrsctp_accept(s, NULL, NULL)))
            configure(association);
        flush();
        if (ended)
            linger++;
        /* The test is gone: so is the peer. */
        if (getppid() == 1)
            return 1;
    }
    return 0;
}
