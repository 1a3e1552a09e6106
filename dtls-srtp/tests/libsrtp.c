/* libsrtp, driven line by line: "protect rtp HEX", "unprotect rtcp HEX" ...
 * Answers each with the packet in hex, or "error N".
 * Arguments: the profile's number in DTLS, the master key and salt in hex. */
#include <srtp2/srtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int unhex(const char *text, unsigned char *out) {
    int n = 0;
    unsigned byte;
    while (sscanf(text + 2 * n, "%2x", &byte) == 1) out[n++] = (unsigned char)byte;
    return n;
}

int main(int argc, char **argv) {
    static unsigned char key[64], packet[8192];
    static char line[20000], op[16], kind[16], hex[17000];
    if (argc < 3 || srtp_init() != srtp_err_status_ok) return 1;
    unhex(argv[2], key);

    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    srtp_profile_t profile = (srtp_profile_t)atoi(argv[1]);
    if (srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile)) return 1;
    if (srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile)) return 1;
    policy.key = key;
    policy.window_size = 1024;
    srtp_t sender, receiver;
    policy.ssrc.type = ssrc_any_outbound;
    if (srtp_create(&sender, &policy)) return 1;
    policy.ssrc.type = ssrc_any_inbound;
    if (srtp_create(&receiver, &policy)) return 1;

    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %15s %16999s", op, kind, hex) != 3) return 1;
        int len = unhex(hex, packet), rtcp = !strcmp(kind, "rtcp"), status;
        if (!strcmp(op, "protect"))
            status = rtcp ? srtp_protect_rtcp(sender, packet, &len) : srtp_protect(sender, packet, &len);
        else
            status = rtcp ? srtp_unprotect_rtcp(receiver, packet, &len) : srtp_unprotect(receiver, packet, &len);
        if (status) printf("error %d", status);
        else for (int i = 0; i < len; i++) printf("%02x", packet[i]);
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
