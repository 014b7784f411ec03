/* What the models' other files must know of a language model. */
#ifndef MODELS_LLAMA_H
#define MODELS_LLAMA_H

#include "home.h"

#include <clattn/models/model.h>

/* Lives as long as the model. */
const clattn__home *clattn__llama_home(const clattn_model *model);

#endif /* MODELS_LLAMA_H */
