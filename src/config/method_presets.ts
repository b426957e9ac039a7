/**
 * Presets of methods: the constants of each paper, as its public code or its text has them. Where neither says, the source
 * says what was taken. Lists (`rewards`, `methods`) are replaced as a whole by the user's own.
 */
import { consistencyWeights } from '../methods/consistency.ts'
import { type ThinkingName, thinkingTemplates } from '../methods/thinking_templates.ts'
import type { Preset } from './presets.ts'

/** GRPO as the R1-V family trains: mean over completions, k3 KL of 0.04, one update per rollout. */
const r1v = {
  advantage: { kind: 'group', scale: 'group', eps: 1e-4 },
  loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'sequence-mean' },
  kl: { coef: 0.04, estimator: 'k3' },
}

/** GRPO as EasyR1 trains it. */
const easyr1 = {
  advantage: { kind: 'group', scale: 'group', eps: 1e-6 },
  loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.3, dualClip: 3, aggregation: 'token-mean' },
}

const lr = { lr: 1e-6 }
const accuracyAndFormat = [{ name: 'accuracy' }, { name: 'format' }]
const norm1000 = { space: 'norm1000', truthSpace: 'norm1000' }

/** The prompt and rewards of one way of thinking, trained as CLS-RL trains. */
const thinking = (name: ThinkingName, source: string): Preset => ({
  source,
  settings: {
    algorithm: r1v,
    rollout: { groupSize: 4, maxNewTokens: 1024 },
    optimizer: lr,
    data: { template: thinkingTemplates[name].template },
    rewards: thinkingTemplates[name].rewards,
  },
})

export const methodPresets = {
  r1_v: {
    source: 'R1-V and open-r1-multimodal: accuracy + format, k3 KL 0.04, 8 completions of temperature 0.9',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8, temperature: 0.9 },
      optimizer: lr,
      rewards: accuracyAndFormat,
    },
  },
  r1_vl: {
    source: 'R1-VL (StepGRPO), arXiv 2503.12937: outcome + 0.1 StepRAR + StepRVR in one reward, 4 completions',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 4, temperature: 1.2, maxNewTokens: 1024 },
      optimizer: lr,
      rewards: [
        { name: 'math' },
        { name: 'key_steps', weight: 0.1 },
        { name: 'format', parameters: { style: 'steps' } },
      ],
    },
  },
  r1_vl_steps: {
    source: 'StepGRPO with StepRAR placed on tokens, as process supervision of DeepSeekMath; share 0.5 is ours',
    settings: {
      algorithm: { ...r1v, advantage: { ...r1v.advantage, process: { share: 0.5 } } },
      rollout: { groupSize: 4, temperature: 1.2, maxNewTokens: 1024 },
      optimizer: lr,
      rewards: [{ name: 'math' }, { name: 'key_steps' }, { name: 'format', parameters: { style: 'steps' } }],
    },
  },
  vl_rethinker: {
    source: 'VL-Rethinker, arXiv 2504.08837: selective sample replay, forced rethinking, clip 0.2 / 0.35, no KL',
    settings: {
      algorithm: {
        advantage: { kind: 'group', scale: 'none' },
        loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.35, aggregation: 'token-mean' },
      },
      rollout: { groupSize: 8, temperature: 1, topP: 0.95, maxNewTokens: 6144 },
      optimizer: lr,
      methods: [{ name: 'sample_replay' }, { name: 'forced_rethinking' }],
    },
  },
  noisy_rollout: {
    source: 'NoisyRollout, arXiv 2504.13055: 6 clean + 6 noisy completions, noise 500, frozen vision tower, no KL',
    settings: {
      algorithm: easyr1,
      rollout: { groupSize: 12, temperature: 1 },
      optimizer: lr,
      model: { freeze: ['vision.'] },
      data: { maxPixels: 1_000_000 },
      methods: [{ name: 'noisy_rollout' }],
    },
  },
  curr_reft: {
    source: 'Curr-ReFT, arXiv 2503.07065: judgement, choice, open in turn (1 : 1 : 2), 4 completions',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 4 },
      optimizer: lr,
      data: { maxPixels: 401_408 },
      rewards: accuracyAndFormat,
      methods: [{ name: 'curriculum_stages', parameters: { shares: ['1', '1', '2'] } }],
    },
  },
  fast: {
    source:
      'FAST, arXiv 2504.18458: length by difficulty, KL 0.01 at accuracy 0 to 0.001 at 1 per group, 8 completions',
    settings: {
      algorithm: {
        ...easyr1,
        kl: { coef: 0.01, endCoef: 0.001, schedule: 'accuracy', accuracyOver: 'group', estimator: 'k3' },
      },
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: [{ name: 'accuracy' }, { name: 'format', weight: 0.5 }],
      methods: [{ name: 'fast_slow' }],
    },
  },
  thinking: thinking('think', 'CLS-RL, arXiv 2503.16188: thinking asked for, accuracy + format, 4 completions'),
  no_thinking: thinking(
    'no_think',
    'No-Thinking-RL, arXiv 2503.16188: the answer alone, exact match alone, 4 completions',
  ),
  adaptive_thinking: thinking('adaptive', 'Adaptive thinking, arXiv 2503.16188: the model chooses; the words are ours'),
  grpo_d: {
    source: 'GRPO-D (OThink-MR1), arXiv 2503.16081: KL weight grows over the run; its ends 0.001 and 0.04 are ours',
    settings: {
      algorithm: { ...r1v, kl: { coef: 1e-3, endCoef: 0.04, schedule: 'linear', estimator: 'k3' } },
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: accuracyAndFormat,
    },
  },
  video_r1: {
    source: 'Video-R1 (T-GRPO), arXiv 2503.21776: as it treats image rows; temporal bonus where frames are tagged',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8, maxNewTokens: 768 },
      optimizer: { ...lr, maxGradNorm: 5 },
      data: { maxPromptTokens: 16_384, maxPixels: 501_760 },
      rewards: accuracyAndFormat,
      methods: [{ name: 'temporal_contrast' }],
    },
  },
  gui_r1: {
    source: 'GUI-R1: 0.8 action + 0.2 format',
    settings: {
      algorithm: easyr1,
      optimizer: lr,
      rewards: [
        { name: 'gui_action', weight: 0.8 },
        { name: 'format', weight: 0.2 },
      ],
    },
  },
  visual_rft: {
    source: 'Visual-RFT, arXiv 2503.01785: IoU + confidence + format, boxes of 0 to 1000, 8 completions',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: [
        { name: 'detection', as: 'iou', parameters: { ...norm1000, measure: 'iou' } },
        { name: 'detection', as: 'confidence', parameters: { ...norm1000, measure: 'confidence' } },
        { name: 'format' },
      ],
    },
  },
  perception_r1: {
    source: 'PR1 (Perception-R1), arXiv 2504.07954: squared IoU, no thinking; the other constants are those of R1-V',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: [{ name: 'box_iou_squared' }],
    },
  },
  r1_aqa: {
    source: 'R1-AQA, arXiv 2503.11197: accuracy + answer tags, no thinking; for rows of text and images',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: [{ name: 'accuracy' }, { name: 'format', parameters: { style: 'answer' } }],
    },
  },
  metaspatial: {
    source: 'MetaSpatial, arXiv 2503.18470: 0.5 format, 0.2 constraints; its judge of rendered scenes is yours to add',
    settings: {
      algorithm: easyr1,
      optimizer: lr,
      rewards: [
        { name: 'json_schema', weight: 0.5 },
        { name: 'layout', weight: 0.2 },
      ],
    },
  },
  medvlm_r1: {
    source: 'MedVLM-R1, arXiv 2502.19634 and Med-R1: choice + format; group and KL are those of R1-V',
    settings: {
      algorithm: r1v,
      rollout: { groupSize: 8 },
      optimizer: lr,
      rewards: [{ name: 'choice', as: 'accuracy' }, { name: 'format' }],
    },
  },
  embodied_r: {
    source: 'Embodied-R, arXiv 2504.12680: 0.7 accuracy, 0.1 format, 0.2 consistency, KL 0.001, 8 completions',
    settings: {
      algorithm: { ...r1v, kl: { coef: 1e-3, estimator: 'k3' } },
      rollout: { groupSize: 8 },
      optimizer: { lr: 5e-7 },
      rewards: [
        { name: 'accuracy', weight: consistencyWeights.accuracy },
        { name: 'format', weight: consistencyWeights.format },
        { name: 'consistency', weight: consistencyWeights.consistency },
      ],
    },
  },
  vision_r1: {
    source: 'Vision-R1 (PTST), arXiv 2503.06749: 16 completions of 4k, then 8 of 8k; the third stage was not used',
    settings: {
      algorithm: easyr1,
      rollout: { groupSize: 16, maxNewTokens: 4096 },
      optimizer: lr,
      rewards: [{ name: 'accuracy', parameters: { format: 'think-answer' } }],
      methods: [{ name: 'progressive_length', parameters: { stages: ['4096x16', '8192x8'] } }],
    },
  },
  mm_eureka: {
    source: 'MM-Eureka, arXiv 2503.07365: groups of accuracy 0.1 to 0.9, frozen vision tower, no KL',
    settings: {
      algorithm: {
        advantage: { kind: 'group', scale: 'group', eps: 1e-9 },
        loss: { kind: 'clip', clipLow: 0.2, clipHigh: 0.2, aggregation: 'token-mean' },
      },
      rollout: { groupSize: 8 },
      optimizer: lr,
      model: { freeze: ['vision.'] },
      rewards: accuracyAndFormat,
      methods: [{ name: 'accuracy_filter' }],
    },
  },
} as const satisfies Record<string, Preset>
