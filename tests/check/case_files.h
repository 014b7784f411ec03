/* The files in tests/cases, embedded. */
#ifndef CHECK_CASE_FILES_H
#define CHECK_CASE_FILES_H

struct clattn__embedded {
    const char *path; /* "ci.txt"; NULL ends the table */
    const char *text;
};

extern const struct clattn__embedded case_files[];

#endif /* CHECK_CASE_FILES_H */
