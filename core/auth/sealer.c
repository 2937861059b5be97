/*
 * Secrets at rest: AES-256-GCM under the master key.
 *
 *     "lat1:" base64url( nonce 12 | ciphertext | tag 16 )
 *
 * The nonce is random: with 96 bits a key is good for 2^32 seals, far beyond what a console writes. The form's name and
 * the purpose are authenticated with the text, so that a value moved to another row or column does not open. The
 * length of a secret can be seen; its contents cannot.
 */
#include "auth/auth.h"
#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <string.h>

enum {
    SEALER_MAGIC = 0x5365616c,
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    TEXT_MAX = 16 * 1024 * 1024, /* bytes of one secret: a rendered workload is the largest */
};

static const char FORM[] = "lat1:";

struct lat_sealer {
    uint32_t magic;
    uint8_t key[LAT_MASTER_KEY_SIZE];
    EVP_CIPHER *cipher;        /* owned; looked up once, which takes as long as a short secret */
    struct lat_random *random; /* borrowed */
};

struct lat_sealer *lat_sealer_new(const uint8_t master_key[LAT_MASTER_KEY_SIZE],
                                  struct lat_random *random)
{
    struct lat_sealer *sealer = LAT_NEW(struct lat_sealer);
    sealer->magic = SEALER_MAGIC;
    memcpy(sealer->key, master_key, sizeof sealer->key);
    sealer->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    LAT_ASSERT(sealer->cipher != NULL);
    sealer->random = random;
    return sealer;
}

struct lat_sealer *lat_sealer_free(struct lat_sealer *sealer)
{
    if (sealer != NULL) {
        LAT_CHECK_MAGIC(sealer, SEALER_MAGIC);
        EVP_CIPHER_free(sealer->cipher);
        lat_wipe(sealer, sizeof *sealer);
        free(sealer);
    }
    return NULL;
}

/* Gives the cipher what is authenticated and not encrypted: the form, then the purpose. */
static void bind_purpose(EVP_CIPHER_CTX *cipher, const char *purpose)
{
    int len = 0;
    size_t purpose_len = strlen(purpose);
    LAT_ASSERT(purpose_len > 0 && purpose_len < 4096);
    LAT_ASSERT(EVP_CipherUpdate(cipher, NULL, &len, (const uint8_t *)FORM, sizeof FORM - 1) == 1);
    LAT_ASSERT(EVP_CipherUpdate(cipher, NULL, &len, (const uint8_t *)purpose, (int)purpose_len) ==
               1);
}

static EVP_CIPHER_CTX *start_cipher(const struct lat_sealer *sealer, const uint8_t *nonce,
                                    const char *purpose, bool sealing)
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    LAT_ASSERT(cipher != NULL);
    LAT_ASSERT(EVP_CipherInit_ex(cipher, sealer->cipher, NULL, sealer->key, nonce, sealing) == 1);
    bind_purpose(cipher, purpose);
    return cipher;
}

char *lat_seal(struct lat_sealer *sealer, const char *purpose, const char *text)
{
    LAT_CHECK_MAGIC(sealer, SEALER_MAGIC);
    size_t len = strlen(text);
    LAT_ASSERT(len <= TEXT_MAX);
    uint8_t *bytes = lat_alloc(NONCE_SIZE + len + TAG_SIZE);
    lat_random_bytes(sealer->random, bytes, NONCE_SIZE);

    EVP_CIPHER_CTX *cipher = start_cipher(sealer, bytes, purpose, true);
    int written = 0;
    int rest = 0;
    uint8_t *ciphertext = bytes + NONCE_SIZE;
    LAT_ASSERT(EVP_EncryptUpdate(cipher, ciphertext, &written, (const uint8_t *)text, (int)len) ==
               1);
    LAT_ASSERT(EVP_EncryptFinal_ex(cipher, ciphertext + written, &rest) == 1);
    LAT_ASSERT((size_t)(written + rest) == len);
    LAT_ASSERT(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, ciphertext + len) == 1);
    EVP_CIPHER_CTX_free(cipher);

    struct lat_buf out = {0};
    lat_buf_add_text(&out, FORM);
    lat_text_base64url(&out, bytes, NONCE_SIZE + len + TAG_SIZE);
    free(bytes);
    return lat_buf_take_text(&out);
}

static int damaged(struct lat_err *err)
{
    lat_err_set(err, LAT_E_INTERNAL, "A sealed secret cannot be opened.");
    return lat_err_hint(err,
                        "Check that the master key is the one that sealed it; otherwise the stored "
                        "secret is damaged or was moved.");
}

int lat_unseal(const struct lat_sealer *sealer, const char *purpose, const char *sealed,
               char **ret_text, struct lat_err *err)
{
    LAT_CHECK_MAGIC(sealer, SEALER_MAGIC);
    if (sealed == NULL || !lat_text_starts(sealed, FORM)) {
        return damaged(err);
    }
    const char *encoded = sealed + sizeof FORM - 1;
    size_t encoded_len = strlen(encoded);
    struct lat_buf bytes = {0};
    if (encoded_len > (TEXT_MAX + NONCE_SIZE + TAG_SIZE) / 3 * 4 + 4 ||
        lat_text_base64url_decode(&bytes, encoded, encoded_len) != 0 ||
        bytes.len < NONCE_SIZE + TAG_SIZE) {
        lat_buf_done(&bytes);
        return damaged(err);
    }
    size_t len = bytes.len - NONCE_SIZE - TAG_SIZE;
    uint8_t *ciphertext = bytes.bytes + NONCE_SIZE;
    char *text = lat_alloc(len + 1);
    int written = 0;
    int rest = 0;
    EVP_CIPHER_CTX *cipher = start_cipher(sealer, bytes.bytes, purpose, false);
    bool genuine =
        EVP_DecryptUpdate(cipher, (uint8_t *)text, &written, ciphertext, (int)len) == 1 &&
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, ciphertext + len) == 1 &&
        EVP_DecryptFinal_ex(cipher, (uint8_t *)text + written, &rest) == 1;
    EVP_CIPHER_CTX_free(cipher);
    lat_buf_done(&bytes);
    if (!genuine) {
        lat_wipe(text, len + 1); /* not authenticated: nobody may see it */
        free(text);
        return damaged(err);
    }
    *ret_text = text;
    return 0;
}
