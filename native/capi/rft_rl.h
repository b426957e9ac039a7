/*
 * The reinforcement learning kernels of librft: advantages, policy and value losses with their gradients.
 *
 *   rft_policy_columns in = {.n = n, .logp = logp, .advantages = advantages, .weights = weights, .old_logp = old};
 *   rft_policy_options options = {.loss = {.kind = RFT_LOSS_CLIP, .of.clip = {.low = 0.2, .high = 0.28}}};
 *   rft_policy_result out = {loss, dlogp, kl, clipped};
 *   if (rft_policy_loss(cpu, &in, &options, &out)) puts(rft_last_error());
 *
 * A column is a pointer to memory of the context's device: (N) one value per token, (B) one per completion, rows of a
 * completion one after the other, `sequences` (B + 1) the offsets where completions begin and the last ends. Optional
 * columns may be NULL. Log-probs are natural logs. A struct of zeros has the usual defaults. Sums are in double, in an
 * order that a completion's own rows decide. Errors as in rft.h; a failed call has written nothing. On CUDA the values
 * of `sequences` are trusted, since reading them would wait for the stream: they must rise from 0 to N.
 */
#ifndef RFT_RL_H
#define RFT_RL_H

#include "rft.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------- advantages */

typedef enum {
  RFT_ADVANTAGE_GROUP = 0,     /* (r - mean) / (std + eps): GRPO; RFT_SCALE_NONE is Dr.GRPO */
  RFT_ADVANTAGE_RLOO = 1,      /* r - mean of the others of the group */
  RFT_ADVANTAGE_OPO = 2,       /* r - mean weighted by length */
  RFT_ADVANTAGE_GPG = 3,       /* (r - mean) x rows / rows whose reward is not 0, over the batch */
  RFT_ADVANTAGE_PASS_AT_K = 4, /* (best - second) / (std + eps) for the best row, 0 for the others */
  RFT_ADVANTAGE_REMAX = 5      /* r - baseline */
} rft_advantage_kind;

typedef enum { RFT_SCALE_GROUP = 0, RFT_SCALE_BATCH = 1, RFT_SCALE_NONE = 2 } rft_scale; /* whose deviation divides */

typedef struct {
  rft_advantage_kind kind;
  rft_scale scale; /* of GROUP */
  double eps;      /* of GROUP and PASS_AT_K: added to the deviation, 1e-4 in TRL */
  int32_t biased;  /* 1: variances divide by the count; 0: by the count less one */
} rft_advantage_rule;

typedef struct {
  int64_t count;          /* B */
  const float* rewards;   /* NaN = none: left out of every mean, its advantage is 0 */
  const int32_t* groups;  /* equal ids = completions of one prompt, in any order */
  const int32_t* lengths; /* of OPO: trained tokens */
  const float* baselines; /* of REMAX: reward of the greedy completion; NaN = none, the advantage is 0 */
} rft_reward_columns;

/* -> advantages (B). On CUDA the host sorts the group ids, so the call waits for the stream. */
RFT_API int rft_group_advantage(rft_context*, const rft_reward_columns*, const rft_advantage_rule*, float* advantages);

/* GDPO: each of K rewards normalised in its groups by the rule (kind GROUP), the sum of weight x that standardised over
 * the batch with the same eps. rewards (K,B), NaN = none; weights (K), on the host; groups (B) -> advantages (B). Waits
 * as above. */
RFT_API int rft_gdpo(rft_context*, int64_t K, int64_t B, const float* rewards, const float* weights,
                     const int32_t* groups, const rft_advantage_rule*, float* advantages);

typedef struct {
  int64_t n;                /* N */
  const float* rewards;     /* (N) */
  const float* values;      /* (N) or NULL = 0: discounted returns */
  const uint8_t* mask;      /* (N) 1 = trained, 0 = stepped over (result 0), or NULL = all trained */
  const int32_t* sequences; /* (B + 1) */
  int64_t sequence_count;   /* B */
} rft_gae_columns;

/* delta_t = r_t + gamma V_{t+1} - V_t, A_t = delta_t + gamma lambda A_{t+1}, return_t = A_t + V_t, over trained rows.
 * -> advantages (N), returns (N) */
RFT_API int rft_gae(rft_context*, const rft_gae_columns*, double gamma, double lambda, float* advantages,
                    float* returns);

/* (x - mean) / sqrt(var + 1e-8), var with Bessel's correction. counts (N): how many tokens carry the value, 0 = masked
 * out (it becomes 0); NULL = one each. keep_mean = 1 divides only. values (N) -> out (N), which may be values. */
RFT_API int rft_whiten(rft_context*, int64_t n, const float* values, const int32_t* counts, int32_t keep_mean,
                       float* out);

/* ------------------------------------------------------------------------------------------- weights of tokens */

typedef enum {
  RFT_TOKEN_MEAN = 0,             /* 1 / tokens of the mini-batch */
  RFT_ROLLOUT_TOKEN_MEAN = 1,     /* mini_batches / rollout_tokens: DAPO */
  RFT_MICRO_BATCH_TOKEN_MEAN = 2, /* 1 / (micro_batches x tokens of these rows) */
  RFT_SEQUENCE_MEAN = 3,          /* 1 / (completions x tokens of the completion): GRPO */
  RFT_SEQUENCE_SUM = 4,           /* 1 / completions: LUSPO */
  RFT_FIXED_LENGTH = 5            /* 1 / (completions x fixed_length): Dr.GRPO */
} rft_aggregation;

typedef struct {
  rft_aggregation mode;
  int64_t completions, tokens; /* of the whole mini-batch; 0 = these rows are all of it */
  int64_t rollout_tokens;      /* 0 = tokens */
  int64_t mini_batches;        /* of the rollout; 0 = 1 */
  int64_t micro_batches;       /* of the mini-batch; 0 = 1 */
  int64_t fixed_length;        /* from 1 for FIXED_LENGTH: the longest completion allowed */
} rft_aggregation_rule;

/* total = sum of weight x loss. mask (N) 1 = trained, others get 0; NULL = all. sequences (B + 1) -> weights (N) */
RFT_API int rft_aggregation_weights(rft_context*, int64_t n, const uint8_t* mask, const int32_t* sequences,
                                    int64_t sequence_count, const rft_aggregation_rule*, float* weights);

/* ------------------------------------------------------------------------------------------------- policy loss */

/* Clip of a ratio r to [1 - low, 1 + high]. dual: loss at most -dual A for A < 0; cap: of the ratio; 0 = off. */
typedef struct {
  double low, high, dual, cap;
} rft_clip;
/* Bounds of the ratio itself (CISPO: 0 and 5) or of the log-ratio on either side (GMPO: 0.4 and 0.4). */
typedef struct {
  double low, high;
} rft_bounds;
typedef struct {
  double tau_positive, tau_negative; /* 1 and 1.05 */
} rft_sapo;
typedef struct {
  double k_positive, lambda_positive, k_negative, lambda_negative; /* 2, 3, 3, 2 */
} rft_vespo;

/* r = exp(logp - old), A the advantage. Those of whole completions (*) need `sequences`. */
typedef enum {
  RFT_LOSS_CLIP = 0,             /* -min(r A, clip(r) A): PPO, GRPO, DAPO, Clip-Cov with `keep` */
  RFT_LOSS_GSPO = 1,             /* * the clip of s = exp(mean log-ratio); LUSPO with RFT_SEQUENCE_SUM */
  RFT_LOSS_SEQUENCE_PRODUCT = 2, /* * the clip of s = exp(sum of log-ratios): RLOO */
  RFT_LOSS_GSPO_TOKEN = 3,       /* * the value of s, the gradient through the token */
  RFT_LOSS_CISPO = 4,            /* -sg[clip(r)] A logp */
  RFT_LOSS_REINFORCE = 5,        /* -A logp */
  RFT_LOSS_SAPO = 6,             /* -(4 / tau) sigmoid(tau (r - 1)) A */
  RFT_LOSS_GMPO = 7,             /* * -A exp(mean of clipped log-ratios) */
  RFT_LOSS_VESPO = 8,            /* * -sg[phi(product of ratios)] A logp */
  RFT_LOSS_KL_COV = 9            /* -r A + cov_coef |log r| on `selected` tokens */
} rft_loss_kind;

typedef struct {
  rft_loss_kind kind;
  union {
    rft_clip clip;     /* CLIP, GSPO, SEQUENCE_PRODUCT, GSPO_TOKEN */
    rft_bounds bounds; /* CISPO, GMPO */
    rft_sapo sapo;
    rft_vespo vespo;
    double cov_coef;
  } of;
} rft_loss;

/* Against a reference, d = ref - logp: k1 -d, k2 d^2 / 2, k3 e^d - d - 1; K3_K2 has the value of k3, the gradient of
 * k2. */
typedef enum { RFT_KL_K3 = 0, RFT_KL_K1 = 1, RFT_KL_K2 = 2, RFT_KL_K3_K2 = 3 } rft_kl_estimator;

/* (N) each; all but the first three may be NULL. */
typedef struct {
  int64_t n;
  const float* logp;
  const float* advantages;
  const float* weights;      /* a row of weight 0 gives 0, whatever its other columns hold */
  const float* old_logp;     /* NULL: on-policy, r = 1 */
  const float* ref_logp;     /* NULL: no KL term */
  const float* kl_coefs;     /* with ref_logp; NULL: kl_coef of the options for every row */
  const float* importance;   /* factor of the loss, not of the KL term */
  const float* sampled_logp; /* for off_policy_threshold */
  const uint8_t* keep;       /* 0: no loss, only the KL term */
  const uint8_t* selected;   /* for KL_COV */
  const int32_t* sequences;  /* (B + 1) */
  int64_t sequence_count;    /* B */
} rft_policy_columns;

typedef struct {
  rft_loss loss;
  rft_kl_estimator kl_estimator;
  double kl_coef;
  int32_t kl_bias_corrected; /* 1: the KL term times the ratio (DeepSeek-V3.2) */
  int32_t off_policy_mask;   /* 1: completions of A < 0 with mean(sampled - logp) above the threshold have no loss */
  double off_policy_threshold;
} rft_policy_options;

typedef struct {
  float* loss;      /* (N) without the weight, KL term included */
  float* dlogp;     /* (N) d(sum of weight x loss) / d logp */
  float* kl;        /* (N) */
  uint8_t* clipped; /* (N) 0 no, 1 at the low bound, 2 at the high bound, 3 at the dual bound or the cap */
} rft_policy_result;

RFT_API int rft_policy_loss(rft_context*, const rft_policy_columns*, const rft_policy_options*,
                            const rft_policy_result*);

/* The KL term alone. -> value (N), slope (N) = d value / d logp */
RFT_API int rft_kl(rft_context*, int64_t n, const float* logp, const float* ref_logp, rft_kl_estimator, float* value,
                   float* slope);

/* -------------------------------------------------------------------------------------------------- value loss */

typedef struct {
  int64_t n;
  const float* values;
  const float* returns;
  const float* weights;
  const float* old_values; /* NULL: not clipped */
} rft_value_columns;

typedef struct {
  float* loss;      /* (N) without the weight */
  float* dvalue;    /* (N) d(sum of weight x loss) / d value */
  uint8_t* clipped; /* (N) 1 where the clipped branch is larger */
} rft_value_result;

/* 1/2 max((v - R)^2, (clip(v, old - clip, old + clip) - R)^2) */
RFT_API int rft_value_loss(rft_context*, const rft_value_columns*, double clip, const rft_value_result*);

#ifdef __cplusplus
}
#endif
#endif
