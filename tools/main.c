/* clattn: attention on any OpenCL device, from the command line.  A thin program
 * over the public headers. */
#include "commands.h"
#include "shared/message.h"
#include "shared/options.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"info", "devices, what was found out about them, kernels chosen and refused", cmd_info},
    {"attend", "one attention, or a whole attention layer, on arrays from files", cmd_attend},
    {"check", "self-test on this device against a double-precision reference", cmd_check},
    {"build", "compile every kernel for this device and fill the cache", cmd_build},
    {"bench", "time operations, and how near they come to what the device can do", cmd_bench},
    {"embed", "texts as vectors, and which lines of a file are most alike to one", cmd_embed},
    {"generate", "text from a language model, read from a GGUF file", cmd_generate},
    {"tokenize", "a text as the tokens that a model reads, or tokens as text", cmd_tokenize},
    {"tune", "find and store the fastest parameters of kernels on this device", cmd_tune},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_help(void)
{
    printf("Usage: clattn COMMAND [options]\n\nAttention on any OpenCL device.\n\nCommands:\n");
    for (int i = 0; i < COMMANDS; i++) {
        printf("  %-10s%s\n", commands[i].name, commands[i].help);
    }
    printf("\n'clattn help COMMAND' or 'clattn COMMAND --help' tells more; 'clattn --version'\n"
           "prints the version.  Start with 'clattn info', then 'clattn check'.\n");
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int run(const char *name, int argc, char **argv)
{
    const struct command *command = find(name);
    if (!command && name[0] == '-') {
        return wrong_usage("unknown option '%s'; see 'clattn --help'", name);
    }
    if (!command) {
        return wrong_usage("unknown command '%s'; see 'clattn --help'", name);
    }
    message_command(command->name);
    return command->run(argc, argv);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        return wrong_usage("a command is needed; see 'clattn --help'");
    }
    const char *first = argv[1];
    if (strcmp(first, "help") == 0 && argc > 3) {
        return wrong_usage("unexpected argument '%s'", argv[3]);
    }
    if (strcmp(first, "help") == 0 && argc == 3) {
        char help[] = "--help";
        char *words[] = {argv[2], help, NULL};
        return run(argv[2], 2, words);
    }
    if (strcmp(first, "help") == 0 || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        print_help();
        return EXIT_DONE;
    }
    if (strcmp(first, "--version") == 0) {
        print_version();
        return EXIT_DONE;
    }
    return run(first, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    const int status = dispatch(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        const int unwritten = fail("cannot write to stdout");
        return status == EXIT_DONE ? unwritten : status;
    }
    return status;
}
