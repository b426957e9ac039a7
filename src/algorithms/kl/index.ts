/** KL estimators under the names that `algorithm.kl.estimator` knows. */
import { k1, k2, k3, k3k2 } from './estimators.ts'

export const klEstimators = { k1, k2, k3, 'k3-k2': k3k2 } as const
