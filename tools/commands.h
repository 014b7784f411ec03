/* The subcommands; main.c holds their table.  argv[0] is the command's name.
 * Each returns the exit status: 0 done, 1 failed, 2 wrong usage. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int cmd_info(int argc, char **argv);
int cmd_attend(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_build(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_embed(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_generate(int argc, char **argv);

#endif /* TOOLS_COMMANDS_H */
