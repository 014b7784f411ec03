/* clattn_models - language models and sentence encoders on clattn's operations: a library of its
 * own, libclattn_models, that uses nothing of clattn but its public headers.
 *
 *   gguf.h       a model's file: metadata and tensors
 *   tokenizer.h  text to token ids and back; chat templates
 *   model.h      a language model: tokens in, logits out; its cache
 *   sampler.h    from logits to the next token
 *   sources.h    which documents an answer came from
 *   encoder.h    texts as vectors
 *   array.h      arrays in .npy and .safetensors files
 *   text.h       bytes, UTF-8 and lists of ids, which the others use
 *
 * The conventions are those of clattn/clattn.h: calls return clattn_status, leave their reason in
 * clattn_error() and write their outputs on CLATTN_OK only; {0} means everything default; destroy
 * and close functions accept NULL.  Files and directories that cannot be read, or are broken, are
 * CLATTN_ERR_ARGUMENT.  Models and encoders wait for their queue, where operations only enqueue. */
#ifndef CLATTN_MODELS_H
#define CLATTN_MODELS_H

#include <clattn/models/array.h>
#include <clattn/models/encoder.h>
#include <clattn/models/gguf.h>
#include <clattn/models/model.h>
#include <clattn/models/sampler.h>
#include <clattn/models/sources.h>
#include <clattn/models/text.h>
#include <clattn/models/tokenizer.h>

#endif /* CLATTN_MODELS_H */
