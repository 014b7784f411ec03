/* Walking along a row: two vectors of columns at a time, which hides the latency of adding, then
 * what is left one by one, as the plain kernel does it. */
#define CHAINS 2
#define BLOCK (CHAINS * WIDTH)

static inline float lanes_sum(const vfloat all)
{
    float lane[WIDTH];
    JOIN(vstore, WIDTH)(all, 0, lane);
    for (int apart = WIDTH / 2; apart > 0; apart /= 2) {
        for (int n = 0; n < apart; n++) {
            lane[n] += lane[n + apart];
        }
    }
    return lane[0];
}
