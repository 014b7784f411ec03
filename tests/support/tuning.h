/* Keeping parameters of attention/row, which has one and compiles quickly. */
#ifndef SUPPORT_TUNING_H
#define SUPPORT_TUNING_H

#include "fixture.h"

/* That logs to the fixture. */
clattn_context *tuning_context(const char *cache);

/* params NULL = what is in use */
clattn_op *tuning_row(clattn_context *context, bool causal, const char *params);
void tuning_keep(clattn_context *context, bool causal, const char *params);

/* What an op made now uses; in a new context on the fixture's directory. */
void assert_uses(clattn_context *context, bool causal, const char *params);
void assert_found(const char *params);

/* Everything kept, as "KERNEL: PARAMS;", added to the text that is user. */
void tuning_list_one(void *user, const char *kernel, const char *params);
const char *tuning_listed(clattn_context *context);

/* The one tuning file in the fixture's directory: its name; its text, which the caller frees. */
void tuning_file(char name[PATH_TEXT_BYTES]);
char *tuning_read(void);

#endif /* SUPPORT_TUNING_H */
