/* A value and its column in one number that compares as they shall: by value, of equal ones the
 * lower column is larger; NaN is largest; -0 is 0. */
static inline long entry_of(const float value, const int column)
{
    const int bits = as_int(value + 0.0f);
    const int order = isnan(value) ? INT_MAX : bits < 0 ? bits ^ INT_MAX : bits;
    return (long)order << 32 | (uint)~column;
}

static inline int column_of(const long entry)
{
    return ~(int)entry;
}
