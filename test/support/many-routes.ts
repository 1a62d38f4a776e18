/** Configurations with many routes, as an organisation with hundreds of services writes them. */
export function manyRoutes(count: number, extra = ''): string {
  const services = Math.max(2, Math.min(500, Math.floor(count / 10)));
  const lines = ['version: 1', 'upstreams:'];
  for (let i = 0; i < services; i++) lines.push(`  service-${i}: http://127.0.0.1:${20_000 + i}`);
  lines.push(
    'presets:',
    '  internal: { ipRules: { allow: [10.0.0.0/8, 127.0.0.0/8] } }',
    'defaults:',
    '  requestId: true',
    '  securityHeaders: true',
    '  cors: { origins: https://shop.example, credentials: true }',
    '  request: { headers: { set: { x-gateway: sluice } } }',
    'gateways:',
    '  web:',
    '    hosts: [shop.example]',
    '    routes:',
  );
  for (let i = 0; i < count; i++) {
    const to = `service-${i % services}`;
    switch (i % 5) {
      case 0:
        lines.push(`      GET /api/${to}/items-${i}: ${to}`);
        break;
      case 1:
        lines.push(`      GET /api/${to}/r${i}/{id}: { to: ${to}, timeout: 5s }`);
        break;
      case 2:
        lines.push(`      POST /api/${to}/r${i}/{id}/details/{part}: { to: ${to}, use: internal }`);
        break;
      case 3:
        lines.push(`      /files/${to}/f${i}/*: { to: ${to}, request: { path: "/v2/{path.rest}" } }`);
        break;
      default:
        lines.push(
          `      PUT /api/${to}/w${i}:`,
          `        to: { ${to}: 9, service-${(i + 1) % services}: 1 }`,
          `        sizeLimits: { body: ${i % 64}KiB }`,
        );
    }
  }
  return `${lines.join('\n')}\n${extra}`;
}
