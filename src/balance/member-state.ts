/** In the order of the numbers that stand for them in shared memory. */
export const STATES = ['unused', 'up', 'down', 'ejected', 'drain', 'maint'] as const;

/** What a slot of the pool is fit for. Only `up` takes new connections in the ordinary course of things. */
export type MemberState = (typeof STATES)[number];
