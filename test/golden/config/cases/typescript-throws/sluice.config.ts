const upstreams: Record<string, string> | null = null as Record<string, string> | null;

export default { version: 1, upstreams: Object.keys(upstreams as Record<string, string>) };
