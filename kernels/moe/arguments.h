/* What both kernels of the experts' matrices share.  An entry is one choice of a token, number
 * token * K + place; entries have been put into the order of their experts (moe/group).
 *
 *   entries  the entry of each row in that order
 *   choice   the expert of each entry
 *   totals   how many rows each expert has
 *
 * Row n of x belongs to row n in that order, or, with GATHER, x has the tokens, batches of
 * batch_rows.  count is the number of entries.  With GATED, y has what the sum is multiplied with.
 *
 * Params: K, GATHER, GATED. */
#define EXPERT_ARGUMENTS                                                                                            \
    IN(x), IN(weight), IN(bias), OUT(y), IN(entries), IN(choice), IN(totals), const int count, const int batch_rows, \
        const int experts, const int out_dim, const int in_dim

/* Where the row of x begins that an entry, at place n of the order, needs. */
static inline long entry_row(const long4 x_at, const int n, const int entry, const int batch_rows)
{
    const int token = entry / K;
    return GATHER ? place(x_at, token / batch_rows, token % batch_rows, 0) : place(x_at, 0, n, 0);
}
