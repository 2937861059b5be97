/* What the writer says to SQLite, all in one place: prepared once, when the file is opened. Only text from here reaches the database. */
#ifndef LAT_STORE_HISTORY_STATEMENTS_INTERNAL_H
#define LAT_STORE_HISTORY_STATEMENTS_INTERNAL_H

/* clang-format off */
/* X(NAME, sql) */
#define LAT__HISTORY_STATEMENTS(X) \
    X(EVENT_ADD, \
      "INSERT INTO \"event\" (\"subject_id\", \"kind\", \"message\", \"request_id\", \"at\")" \
      " VALUES ($1, $2, $3, $4, $5)") \
    X(EVENT_PRUNE, \
      "DELETE FROM \"event\" WHERE \"subject_id\" = $1 AND \"number\" <= (SELECT \"number\"" \
      " FROM \"event\" WHERE \"subject_id\" = $1 ORDER BY \"number\" DESC LIMIT 1 OFFSET $2)") \
    X(EVENT_READ, \
      "SELECT \"at\", \"kind\", \"message\", \"request_id\" FROM (SELECT * FROM \"event\"" \
      " WHERE \"subject_id\" = $1 ORDER BY \"number\" DESC LIMIT $2) ORDER BY \"number\"") \
    X(EVENT_FORGET, "DELETE FROM \"event\" WHERE \"number\" IN (SELECT \"number\" FROM \"event\"" \
                    " WHERE \"at\" < $1 ORDER BY \"at\" LIMIT $2)") \
    X(EVENT_CAP, \
      "DELETE FROM \"event\" WHERE \"number\" IN (SELECT \"number\" FROM \"event\"" \
      " WHERE \"number\" <= (SELECT max(\"number\") FROM \"event\") - $1 ORDER BY \"number\" LIMIT $2)") \
    X(SUBJECT_FIND, \
      "SELECT \"number\", \"source\", \"seen_at\", \"owner_id\" FROM \"subject\" WHERE \"id\" = $1") \
    X(SUBJECT_ADD, \
      "INSERT INTO \"subject\" (\"id\", \"owner_id\", \"ordinal\", \"node\", \"began_at\", \"seen_at\", \"writes\", \"source\")" \
      " VALUES ($1, $2, $3, $4, $5, $5, $6, coalesce((SELECT \"source\" FROM \"subject\" WHERE \"owner_id\" = $2" \
      " AND \"ordinal\" = $3 AND $2 <> '' ORDER BY \"number\" DESC LIMIT 1)," \
      " (SELECT coalesce(max(\"number\"), 0) + 1 FROM \"subject\")))") \
    X(SUBJECT_SEEN, "UPDATE \"subject\" SET \"seen_at\" = $2 WHERE \"number\" = $1") \
    X(SUBJECT_COUNT, "SELECT count(*) FROM \"subject\"") \
    X(SUBJECT_NODES, "SELECT \"node\", count(*) FROM \"subject\" GROUP BY \"node\"") \
    X(SUBJECT_FORGET, "DELETE FROM \"subject\" WHERE \"number\" IN (SELECT \"number\" FROM \"subject\"" \
                      " WHERE \"seen_at\" < $1 LIMIT $2)") \
    X(SUBJECT_LIST, "SELECT \"number\", \"id\", \"ordinal\", \"node\" FROM \"subject\" WHERE" \
                    " ((\"owner_id\" = $1 AND $1 <> '') OR \"id\" = $2) AND \"writes\" = 0 AND \"seen_at\" >= $3 AND \"began_at\" < $4" \
                    " ORDER BY \"number\" DESC LIMIT $5") \
    X(SUBJECT_NTH, "SELECT \"number\", \"source\" FROM \"subject\" WHERE \"owner_id\" = $1 AND \"ordinal\" = $2 AND \"writes\" = 1" \
                   " ORDER BY \"number\" DESC LIMIT 1 OFFSET $3") \
    X(SAMPLE_ADD, "INSERT OR IGNORE INTO \"sample\" (\"minute\", \"subject\", \"at\", \"measure\", \"value\")" \
                  " VALUES ($1, $2, $3, $4, $5)") \
    X(SAMPLE_READ, "SELECT \"measure\", \"at\", \"value\" FROM \"sample\" WHERE \"minute\" = $1 AND \"subject\" = $2") \
    X(SAMPLE_FORGET, "DELETE FROM \"sample\" WHERE (\"minute\", \"subject\", \"at\", \"measure\") IN (SELECT" \
                     " \"minute\", \"subject\", \"at\", \"measure\" FROM \"sample\" WHERE \"minute\" < $1" \
                     " ORDER BY \"minute\" LIMIT $2)") \
    X(SAMPLE_OLDEST, "SELECT min(\"minute\") FROM \"sample\"") \
    X(ROLLUP_ADD, "INSERT INTO \"rollup\" (\"step_s\", \"at\", \"subject\", \"measure\", \"count\", \"sum\", \"min\"," \
                  " \"max\", \"last\", \"last_at\") VALUES ($1, $2, $3, $4, 1, $5, $5, $5, $5, $6)" \
                  " ON CONFLICT DO UPDATE SET \"count\" = \"count\" + 1, \"sum\" = \"sum\" + $5," \
                  " \"min\" = min(\"min\", $5), \"max\" = max(\"max\", $5)," \
                  " \"last\" = CASE WHEN $6 >= \"last_at\" THEN $5 ELSE \"last\" END," \
                  " \"last_at\" = max(\"last_at\", $6)") \
    X(ROLLUP_READ, "SELECT \"measure\", \"count\", \"sum\", \"min\", \"max\", \"last\" FROM \"rollup\"" \
                   " WHERE \"step_s\" = $1 AND \"at\" = $2 AND \"subject\" = $3") \
    X(ROLLUP_FORGET, "DELETE FROM \"rollup\" WHERE (\"step_s\", \"at\", \"subject\", \"measure\") IN (SELECT" \
                     " \"step_s\", \"at\", \"subject\", \"measure\" FROM \"rollup\" WHERE \"step_s\" = $1 AND" \
                     " \"at\" < $2 ORDER BY \"at\" LIMIT $3)") \
    X(ROLLUP_OLDEST, "SELECT min(\"at\") FROM \"rollup\" WHERE \"step_s\" = $1") \
    X(LINE_ADD, "INSERT INTO \"log_line\" (\"source\", \"subject\", \"at_ns\", \"text\") VALUES ($1, $2, $3, $4)") \
    X(LINE_OLDEST, "SELECT \"number\", \"at_ns\", length(\"text\") FROM \"log_line\" ORDER BY \"number\" LIMIT $1") \
    X(LINE_FORGET, "DELETE FROM \"log_line\" WHERE \"number\" <= $1") \
    X(LINE_BACK, "SELECT \"number\", \"subject\", \"at_ns\", \"text\" FROM \"log_line\" WHERE" \
                 " \"source\" = $1 ORDER BY \"number\" DESC LIMIT $2") \
    X(LINE_READ, "SELECT \"number\", \"subject\", \"at_ns\", \"text\" FROM \"log_line\" WHERE" \
                 " \"source\" = $1 AND \"number\" > $2 ORDER BY \"number\" LIMIT $3") \
    X(KEPT_GET, "SELECT \"value\" FROM \"kept\" WHERE \"name\" = $1") \
    X(KEPT_PUT, "INSERT INTO \"kept\" (\"name\", \"value\") VALUES ($1, $2)" \
                " ON CONFLICT (\"name\") DO UPDATE SET \"value\" = excluded.\"value\"") \
    X(PAGES, "SELECT (SELECT \"page_count\" FROM pragma_page_count) - (SELECT \"freelist_count\" FROM" \
             " pragma_freelist_count), (SELECT \"page_size\" FROM pragma_page_size)")
/* clang-format on */

#endif
