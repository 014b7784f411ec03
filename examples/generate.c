/* Answers a question by a language model: generate MODEL.gguf QUESTION.  C11, and C++17. */
#include <clattn/clattn.h>
#include <clattn/models/models.h>
#include <stdio.h>
#include <stdlib.h>

static void check(clattn_status status)
{
    if (status != CLATTN_OK) {
        fprintf(stderr, "%s\n", clattn_error());
        exit(1);
    }
}

int main(int argc, char **argv)
{
    clattn_gguf *file;              /* the model's file, mapped */
    clattn_tokenizer *tokenizer;    /* text to token ids and back */
    clattn_context *context;        /* the first GPU, or the first device where there is none */
    clattn_model *model;            /* the weights on that device, and a cache of what was read */
    clattn_sampler *sampler;        /* {0}: the most likely token each time */
    clattn_ids read = {NULL, 0, 0}; /* the tokens of the question */
    check(clattn_gguf_open(argc == 3 ? argv[1] : NULL, &file)); /* NULL is refused */
    check(clattn_tokenizer_create(file, &tokenizer));
    const clattn_chat_message question = {"user", argv[2]};
    check(clattn_tokenizer_encode_chat(tokenizer, &question, 1, &read, NULL));
    check(clattn_context_create(NULL, &context));
    cl_command_queue queue =
        clCreateCommandQueue(clattn_context_cl(context), clattn_context_device(context), 0, NULL);
    const clattn_model_desc desc = {file, queue, 0, NULL, NULL};
    check(clattn_model_create(context, &desc, &model));
    const int32_t vocabulary = clattn_model_shape_of(model)->vocabulary;
    check(clattn_sampler_create(NULL, vocabulary, &sampler));
    float *logits = (float *)malloc((size_t)vocabulary * sizeof(float));

    const int32_t *next = read.items; /* what the model has not read yet */
    int32_t token, count = (int32_t)read.count;
    while (clattn_model_rows(model) + count <= clattn_model_room(model)) {
        check(clattn_model_run(model, next, count, CLATTN_LOGITS_LAST, logits));
        token = clattn_sampler_next(sampler, logits);
        if (token < 0 || clattn_tokenizer_ends(tokenizer, token)) {
            break;
        }
        const clattn_text piece = clattn_tokenizer_piece(tokenizer, token);
        fwrite(piece.bytes, 1, piece.length, stdout);
        next = &token;
        count = 1;
    }
    putchar('\n');

    free(logits);
    clattn_ids_free(&read);
    clattn_sampler_destroy(sampler);
    clattn_model_destroy(model);
    clReleaseCommandQueue(queue);
    clattn_context_destroy(context);
    clattn_tokenizer_destroy(tokenizer);
    clattn_gguf_close(file);
    return 0;
}
