/* roofline.cl, embedded. */
#ifndef TOOLS_ROOFLINE_SOURCE_H
#define TOOLS_ROOFLINE_SOURCE_H

struct clattn__embedded {
    const char *path; /* NULL ends the table */
    const char *text;
};

extern const struct clattn__embedded roofline_source[];

#endif /* TOOLS_ROOFLINE_SOURCE_H */
