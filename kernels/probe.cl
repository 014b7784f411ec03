/* Does half arithmetic compile and compute?  An extension string is not believed alone.
 * Launch: one work-item.  x[i] = x[i] * x[i] + 1, rounded to half. */
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

__kernel void probe_half_arithmetic(__global float *x)
{
    for (int i = 0; i < 4; i++) {
        const half h = (half)x[i];
        x[i] = (float)(half)(h * h + (half)1.0f);
    }
}
