/* docs/database.md, made from the descriptions of the tables and indexes. */
#ifndef TEST_SUPPORT_SCHEMA_DOC_H
#define TEST_SUPPORT_SCHEMA_DOC_H

#include "base/buf.h"

/* Adds the whole page. */
void schema_doc_write(struct lat_buf *out);

#endif
