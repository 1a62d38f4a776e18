import { loadConfig } from './src/config/load.ts';
for(let i=0;i<2;i++){let a = performance.now();
const b = await loadConfig(['/tmp/cfgbench/big.yaml'], {env:{}});
console.log('big',performance.now()-a, b.problems, b.origins.place(['routes','GET /v1/team-6/thing-9900/{id}','to']));
a = performance.now(); let n=0; for (const k of Object.keys((b.value as any).routes)) n+=b.origins.place(['routes',k,'to']).line; console.log('10k places',performance.now()-a);}
