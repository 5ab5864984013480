import type { Reporter, TestCase } from 'vitest/node';

/** Names, at the end of a run, the tests that failed before they passed, and why: a second try hides nothing. */
export class SecondTries implements Reporter {
  readonly #lines: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const why = test.result().errors?.[0]?.message?.split('\n')[0] ?? 'no error was kept';
    this.#lines.push(`  ${test.module.relativeModuleId} > ${test.fullName}\n    ${why}`);
  }

  onTestRunEnd(): void {
    const count = this.#lines.length;
    process.stdout.write(
      count === 0 ? '\nNo test needed a second try.\n' : `\n${count} passed at the second try only:\n`,
    );
    if (count > 0) process.stdout.write(`${this.#lines.join('\n')}\n`);
  }
}
