/*
 * The kernels of rft for other programs: a C interface over raw pointers, in librft. Those of reinforcement learning
 * are in rft_rl.h.
 *
 *   rft_context* cpu = rft_context_create("cpu", NULL);
 *   rft_tensor x = {data, RFT_F32, 2, {rows, width}, 1}, w = ..., y = ...;
 *   rft_call* call = NULL;
 *   if (rft_rms_norm(cpu, &x, &w, 1e-6f, &y, &call)) puts(rft_last_error());
 *   const rft_tensor* dy_list[] = {&dy};
 *   rft_tensor* dx_list[] = {&dx, &dw};
 *   rft_backward(call, dy_list, dx_list);       adds to dx and dw
 *   rft_call_destroy(call);
 *
 * On CUDA nothing waits for the stream unless a function says so, and the same calls take device pointers:
 *
 *   rft_context* cuda = rft_context_create("cuda", torch_stream);
 *
 * Tensors are dense and row-major. Functions return 0, or 1 with the reason in rft_last_error(). A context is used by
 * one thread at a time. Where `call` is NULL nothing is kept and there is no backward. The inputs of a call must stay
 * in place and unchanged until its backward has run. Log-probs are natural logs.
 */
#ifndef RFT_H
#define RFT_H

#include <stdint.h>

#if defined(__GNUC__)
#define RFT_API __attribute__((visibility("default")))
#else
#define RFT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { RFT_F32 = 0, RFT_I32 = 1 } rft_dtype;

typedef struct {
  void* data;
  rft_dtype dtype;
  int32_t rank; /* 1 to 4 */
  int64_t shape[4];
  int32_t requires_grad; /* of inputs: whether backward computes a gradient for it */
} rft_tensor;

typedef struct rft_context rft_context; /* a device and a stream of it */
typedef struct rft_call rft_call;       /* what a kernel keeps for its backward */

RFT_API const char* rft_version(void);
/* Of the last failed function of this thread. */
RFT_API const char* rft_last_error(void);

/* device "cpu", stream NULL; or "cuda" in a library built with it: tensors and columns are then device pointers, and
 * work is queued on `stream`, a cudaStream_t of the current device (NULL: the default stream, as torch's). NULL on
 * failure. */
RFT_API rft_context* rft_context_create(const char* device, void* stream);
RFT_API void rft_context_destroy(rft_context*);
/* CPU threads of the process; 0 = all usable cores. Results do not depend on it. */
RFT_API int rft_set_threads(int32_t threads);

/* x (T,C), w (C) -> y (T,C) = x / sqrt(mean(x^2) + eps) * w. Gradients: dx, dw. */
RFT_API int rft_rms_norm(rft_context*, const rft_tensor* x, const rft_tensor* w, float eps, rft_tensor* y,
                         rft_call** call);

/* x (T,C), w (C), b (C) -> y (T,C). Gradients: dx, dw, db. */
RFT_API int rft_layer_norm(rft_context*, const rft_tensor* x, const rft_tensor* w, const rft_tensor* b, float eps,
                           rft_tensor* y, rft_call** call);

/* One query range and the two key ranges it sees: keys [kv0_begin, +kv0_len) are fully visible (a shared prompt), then
 * [kv1_begin, +kv1_len), causal or not: query i sees the first kv1_len - q_len + i + 1 of them. */
typedef struct {
  int32_t q_begin, q_len, kv0_begin, kv0_len, kv1_begin, kv1_len, causal;
} rft_segment;

/* q (T,heads*D), k and v (Tk,kv_heads*D) -> out (T,heads*D). Gradients: dq, dk, dv. */
RFT_API int rft_attention(rft_context*, const rft_tensor* q, const rft_tensor* k, const rft_tensor* v,
                          const rft_segment* segments, int32_t segment_count, int32_t heads, int32_t kv_heads,
                          float scale, rft_tensor* out, rft_call** call);

/* Fused head: x (N,C), w (V,C), targets int32 (N) -> log-prob of each target and entropy (N) of softmax(x w^T /
 * temperature). Gradients: dx, dw, none for targets. Output gradients: of logp, of entropy (may be NULL). */
RFT_API int rft_token_logp(rft_context*, const rft_tensor* x, const rft_tensor* w, const rft_tensor* targets,
                           float temperature, rft_tensor* logp, rft_tensor* entropy, rft_call** call);

/* Runs the backward pass of a call, once. output_grads: one per output, NULL where nothing flows back. input_grads: one
 * per input in the order of the arguments, added to, NULL where none is wanted. */
RFT_API int rft_backward(rft_call*, const rft_tensor* const* output_grads, rft_tensor* const* input_grads);
RFT_API void rft_call_destroy(rft_call*);

/* torch.optim.AdamW on one tensor, in place. step = 1 for the first; gradients are multiplied by grad_scale first. */
RFT_API int rft_adamw(rft_context*, rft_tensor* parameter, const rft_tensor* gradient, rft_tensor* m, rft_tensor* v,
                      int64_t step, double lr, double beta1, double beta2, double eps, double weight_decay,
                      float grad_scale);

#ifdef __cplusplus
}
#endif
#endif
