import type { Member } from '../../src/balance/policy.ts';
import type { Picked } from '../../src/balance/selector.ts';

/** What was picked, told in one word: the slot, `full` or `nobody`. */
export function slotOf(picked: Picked<Member> | 'full' | undefined): number | 'full' | 'nobody' {
  if (picked === undefined) return 'nobody';
  return picked === 'full' ? picked : picked.member.slot;
}
