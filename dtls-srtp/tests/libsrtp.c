/* libsrtp, driven line by line: "protect rtp 0 HEX", "unprotect rtcp 0 HEX" ...
 * Answers each with the packet in hex, or "error N". The number is that of the master key that
 * protects.
 * Arguments: the profile's name, the ids of encrypted header extension elements ("1,3" or "-"),
 * then for each master key: its identifier (or "-", if there is one key only), and key and salt in
 * hex. */
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

static int set_policy(const char *profile, srtp_policy_t *policy) {
    static const struct {
        const char *name;
        void (*rtp)(srtp_crypto_policy_t *), (*rtcp)(srtp_crypto_policy_t *);
    } profiles[] = {
        {"AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default,
         srtp_crypto_policy_set_rtp_default},
        {"AES_CM_128_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
         srtp_crypto_policy_set_rtp_default},
        {"AES_256_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
         srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
        {"AES_256_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
         srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
        {"AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth,
         srtp_crypto_policy_set_aes_gcm_128_16_auth},
        {"AEAD_AES_256_GCM", srtp_crypto_policy_set_aes_gcm_256_16_auth,
         srtp_crypto_policy_set_aes_gcm_256_16_auth},
    };
    for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++)
        if (!strcmp(profiles[i].name, profile)) {
            profiles[i].rtp(&policy->rtp);
            profiles[i].rtcp(&policy->rtcp);
            return 0;
        }
    return 1;
}

int main(int argc, char **argv) {
    static unsigned char keys[4][64], mkis[4][64], packet[8192];
    static srtp_master_key_t masters[4], *pointers[4];
    static char line[20000], op[16], kind[16], hex[17000];
    static int ids[16];
    if (argc < 5 || argc > 11 || srtp_init() != srtp_err_status_ok) return 1;

    srtp_policy_t policy;
    memset(&policy, 0, sizeof policy);
    if (set_policy(argv[1], &policy)) return 1;
    if (strcmp(argv[2], "-")) {
        policy.enc_xtn_hdr = ids;
        for (char *id = strtok(argv[2], ","); id; id = strtok(NULL, ","))
            ids[policy.enc_xtn_hdr_count++] = atoi(id);
    }
    int use_mki = strcmp(argv[3], "-") != 0, count = (argc - 3) / 2;
    for (int i = 0; i < count; i++) {
        unhex(argv[4 + 2 * i], keys[i]);
        masters[i].key = keys[i];
        if (use_mki) {
            masters[i].mki_id = mkis[i];
            masters[i].mki_size = (unsigned)unhex(argv[3 + 2 * i], mkis[i]);
        }
        pointers[i] = &masters[i];
    }
    if (use_mki) {
        policy.keys = pointers;
        policy.num_master_keys = (unsigned long)count;
    } else {
        policy.key = keys[0];
    }
    policy.window_size = 1024;
    srtp_t sender, receiver;
    policy.ssrc.type = ssrc_any_outbound;
    if (srtp_create(&sender, &policy)) return 1;
    policy.ssrc.type = ssrc_any_inbound;
    if (srtp_create(&receiver, &policy)) return 1;

    unsigned key;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "%15s %15s %u %16999s", op, kind, &key, hex) != 4) return 1;
        int len = unhex(hex, packet), rtcp = !strcmp(kind, "rtcp"), status;
        if (!strcmp(op, "protect"))
            status = rtcp ? srtp_protect_rtcp_mki(sender, packet, &len, (unsigned)use_mki, key)
                          : srtp_protect_mki(sender, packet, &len, (unsigned)use_mki, key);
        else
            status = rtcp ? srtp_unprotect_rtcp_mki(receiver, packet, &len, (unsigned)use_mki)
                          : srtp_unprotect_mki(receiver, packet, &len, (unsigned)use_mki);
        if (status) printf("error %d", status);
        else for (int i = 0; i < len; i++) printf("%02x", packet[i]);
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
