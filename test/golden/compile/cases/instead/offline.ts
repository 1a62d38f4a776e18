export default () => new Response("offline");
