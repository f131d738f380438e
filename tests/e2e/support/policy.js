// Violations of a content security policy, as the browser reports them to any frame.

import { until } from './until.js';

/** Listens in every frame that the context opens from now on. Calling the result gives what was violated so far. */
export async function policyViolations(context) {
  const seen = [];
  await context.exposeFunction('reportViolation', (violation) => {
    seen.push(violation);
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile }) =>
      window.reportViolation({ effectiveDirective, blockedURI, sourceFile }),
    );
  });
  const violations = () => [...seen];
  violations.first = () => until('a violation of the policy', () => seen[0]);
  violations.clear = () => seen.splice(0);
  return violations;
}
