/* Prints docs/database.md. */
#include "schema_doc.h"

#include <stdio.h>

int main(void)
{
    struct lat_buf out = {0};

    schema_doc_write(&out);
    size_t written = fwrite(out.bytes, 1, out.len, stdout);
    int status = written == out.len && fflush(stdout) == 0 ? 0 : 1;

    lat_buf_done(&out);
    return status;
}
