/** Runs once per test run, before any file. */
export default function setup(): void {}
