/* Failures in our terms. The engine says {"message": "..."} and a status; its words are kept as they are, for they
 * are what its users know and search for. What cannot be told from the status is told from the words: that the disk is
 * full comes with any status, and an image and a container that are missing with the same. Pure; any thread. */
#include "docker/internal.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool says(const char *message, const char *words)
{
    return strcasestr(message, words) != NULL;
}

static int code_of(int status, const char *message)
{
    if (says(message, "no space left on device") || says(message, "disk quota exceeded")) {
        return LAT_E_NO_SPACE;
    }
    if (status == 400 && says(message, "client version") && says(message, "API version")) {
        return LAT_E_VERSION;
    }
    switch (status) {
    case 404: return says(message, "no such image") ? LAT_E_NO_IMAGE : LAT_E_NOT_FOUND;
    case 409: return LAT_E_CONFLICT;
    default: return LAT_E_ENGINE;
    }
}

/* Fills ret with the message in one line, without blanks around it. */
static void tidy(const char *message, char *ret_text, size_t size)
{
    size_t len = 0;

    while (*message == ' ' || *message == '\n' || *message == '\t') {
        message++;
    }
    lat_text_bound(ret_text, size, message);
    for (size_t i = 0; ret_text[i] != '\0'; i++) {
        if ((unsigned char)ret_text[i] < ' ') {
            ret_text[i] = ' ';
        }
        if (ret_text[i] != ' ') {
            len = i + 1;
        }
    }
    ret_text[len] = '\0';
}

int lat__refused_saying(struct lat_err *err, int status, const char *message)
{
    char text[LAT_ERR_SENTENCE_MAX];

    tidy(message, text, sizeof(text));
    if (text[0] == '\0') {
        return lat_err_set(err, code_of(status, text), "The Docker Engine answered with status %d.",
                           status);
    }
    return lat_err_set(err, code_of(status, message), "%s", text);
}

int lat__refused(struct lat_err *err, int status, const char *body, size_t len)
{
    cJSON *answer = NULL;
    int code;

    if (lat_json_parse_rounding(body, len, &answer, NULL) == 0) {
        code = lat__refused_saying(err, status, lat_json_text(answer, "message", ""));
    } else {
        char *text = lat_text_copy_n(body, len);

        code = lat__refused_saying(err, status, text);
        free(text);
    }
    cJSON_Delete(answer);
    return code;
}

int lat__broken(struct lat_err *err, const struct lat_err *cause)
{
    switch (cause->code) {
    case LAT_E_PROTOCOL:
    case LAT_E_TOO_LARGE:
        return lat_err_set(err, LAT_E_PROTOCOL, "The Docker Engine's answer cannot be read: %s",
                           cause->sentence);
    case LAT_E_TIMEOUT:
        return lat_err_set(err, LAT_E_ENGINE_DOWN, "The Docker Engine does not answer in time.");
    default:
        return lat_err_set(err, LAT_E_ENGINE_DOWN, "The Docker Engine does not answer: %s",
                           cause->sentence);
    }
}
