/* OpenSSL's errors in sentences that say what to do. Any thread. */
#include "tls_internal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

struct row {
    int reason;
    const char *at_server; /* said by a server of its client */
    const char *at_client; /* said by a client of its server */
};

static const char not_accepted[] = "The other side does not accept our certificate";

/* Alerts that the other side sent have reasons above SSL_AD_REASON_OFFSET. */
static const struct row rows[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "The client does not speak TLS.",
     "The server does not speak TLS on this port."},
    {SSL_R_HTTP_REQUEST, "The client speaks plain HTTP to a port for TLS; it should use https.",
     NULL},
    {SSL_R_HTTPS_PROXY_REQUEST, "The client takes this port for a proxy.", NULL},
    {SSL_R_UNSUPPORTED_PROTOCOL, "The client's TLS is too old for this server.",
     "The server's TLS is too old for this client."},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "The client refuses this server's TLS version.",
     "The server refuses this client's TLS version."},
    {SSL_R_NO_SHARED_CIPHER, "The client offers no cipher that this server takes.", NULL},
    {SSL_R_NO_APPLICATION_PROTOCOL, "The client offers no protocol (ALPN) that this server speaks.",
     NULL},
    {SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, NULL,
     "The server speaks none of our protocols (ALPN)."},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
     "The client sent no certificate, and one is required.", NULL},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, NULL, "The server requires a client certificate."},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "The client broke the handshake off.",
     "The server broke the handshake off: it wants another cipher or a client certificate."},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "The client does not know our certificate's authority.",
     "The server does not know our certificate's authority."},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "The client says that our certificate has expired.",
     "The server says that our certificate has expired."},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "The client says that our certificate was revoked.",
     "The server says that our certificate was revoked."},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, not_accepted, not_accepted},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, not_accepted, not_accepted},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, not_accepted, not_accepted},
};

static const char *sentence_of(unsigned long code, bool server)
{
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return NULL;
    for (size_t i = 0; i < LAT_COUNT(rows); i++) {
        if (rows[i].reason == ERR_GET_REASON(code))
            return server ? rows[i].at_server : rows[i].at_client;
    }
    return NULL;
}

static const char *reason_of(unsigned long code)
{
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "no reason is known";
}

int lat__tls_error(struct lat_err *err, bool server)
{
    unsigned long code = ERR_peek_error();
    const char *sentence = sentence_of(code, server);
    if (sentence)
        lat_err_set(err, LAT_E_TLS, "%s", sentence);
    else
        lat_err_set(err, LAT_E_TLS, "TLS failed: %s.", reason_of(code));
    lat_err_hint(
        err, "%s",
        "Check that both sides speak TLS 1.2 or later and that their certificates are valid.");
    ERR_clear_error();
    return LAT_E_TLS;
}

int lat__tls_config_error(struct lat_err *err, const char *what)
{
    lat_err_set(err, LAT_E_TLS, "Cannot use %s: %s.", what, reason_of(ERR_peek_error()));
    ERR_clear_error();
    return LAT_E_TLS;
}
