import { dispatchLayers } from '../plan/phase.ts';
import type { Registry } from '../plan/registry.ts';
import { inLayerOrder } from './chain.ts';
import type { CheckedConfig } from './check.ts';
import type { CheckedRoute } from './checked-route.ts';
import { balancingSteps } from './explain-balance.ts';
import { healthSteps } from './explain-endpoints.ts';
import type { ExplainedStep } from './explain-run.ts';
import { upstreamsOf } from './explain-target.ts';
import { idlePorts } from './idle-ports.ts';
import { PolicyCompiler } from './policy-compiler.ts';

/** The layers that the route's upstreams have of their own: they hold for every call, whatever route makes it. */
export function upstreamSteps(checked: CheckedRoute, config: CheckedConfig, registry: Registry): ExplainedStep[] {
  const { document, loaded } = config;
  if (document === null) return [];
  const compiler = new PolicyCompiler(registry.upstreamPolicies, document.uses, idlePorts(config));
  return upstreamsOf(checked).flatMap((index) => {
    const name = document.upstreams[index]?.name ?? '';
    const facts = { name, gateway: '', pattern: '', parameters: [] };
    const [, uses = []] = document.upstreamUses.find(([upstream]) => upstream === index) ?? [];
    const entries = uses.flatMap((use) => {
      const policy = document.uses[use]?.policy ?? '';
      const { setting = policy } = registry.upstreamPolicies.find((each) => each.name === policy) ?? {};
      const place = loaded.origins.keyPlace(['upstreams', name, setting]);
      return compiler.hooks(use, facts).hooks.map((hooks) => ({ policy: `${setting} of ${name}`, place, hooks }));
    });
    const layers = inLayerOrder(entries).map(
      ({ policy, place, hooks: { dispatch } }): ExplainedStep => ({
        stage: dispatch?.layer ?? '',
        policy,
        place,
        outcome: dispatch?.words ?? null,
        findings: [],
      }),
    );
    const options = document.upstreams[index];
    const steps =
      options === undefined ? layers : [...layers, ...healthSteps(name, config), ...balancingSteps(options, loaded)];
    return steps.sort((one, other) => layerOf(one) - layerOf(other));
  });
}

function layerOf({ stage }: ExplainedStep): number {
  return (dispatchLayers as readonly string[]).indexOf(stage);
}
