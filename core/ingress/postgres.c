/* The first words of a PostgreSQL client: four bytes of length, four of a code (PostgreSQL manual, "Message Formats"). */
#include "ingress/ingress_internal.h"

enum {
    CODE_CANCEL = 80877102,
    CODE_SSL = 80877103,
    CODE_GSS = 80877104,
    VERSION_3 = 3, /* the upper half of a start-up packet's version */
};

static uint32_t read_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

enum lat__postgres_hello lat__postgres_hello_read(const uint8_t bytes[LAT__POSTGRES_HELLO_SIZE])
{
    uint32_t length = read_u32(bytes);
    uint32_t code = read_u32(bytes + 4);

    if (code == CODE_SSL && length == 8) {
        return LAT__POSTGRES_SSL;
    }
    if (code == CODE_GSS && length == 8) {
        return LAT__POSTGRES_GSS;
    }
    if (code == CODE_CANCEL && length == 16) {
        return LAT__POSTGRES_CANCEL;
    }
    return code >> 16 == VERSION_3 ? LAT__POSTGRES_CLEAR : LAT__POSTGRES_UNKNOWN;
}

static void add_field(struct lat_buf *out, char kind, const char *text)
{
    lat_buf_add_byte(out, (uint8_t)kind);
    lat_buf_add_text(out, text);
    lat_buf_add_byte(out, 0);
}

void lat__postgres_refusal(struct lat_buf *out)
{
    struct lat_buf fields = {0};
    uint32_t length;

    add_field(&fields, 'S', "FATAL");
    add_field(&fields, 'V', "FATAL");
    add_field(&fields, 'C', "28000");
    add_field(&fields, 'M', "this address takes encrypted connections only");
    add_field(&fields, 'H', "Connect with sslmode=require.");
    lat_buf_add_byte(&fields, 0);
    length = (uint32_t)fields.len + 4;
    lat_buf_add_byte(out, 'E');
    lat_buf_add(out,
                (const uint8_t[]){(uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                  (uint8_t)(length >> 8), (uint8_t)length},
                4);
    lat_buf_add(out, fields.bytes, fields.len);
    lat_buf_done(&fields);
}
