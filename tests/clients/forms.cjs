// Every form of request that the official JavaScript client can make: what each saw is printed as one JSON object.
// node forms.cjs URL INDEX, with NODE_PATH naming the folder that holds @elastic/elasticsearch; INDEX is there and empty.

const { readFileSync } = require('node:fs')
const { Client } = require('@elastic/elasticsearch')

const { version } = JSON.parse(readFileSync(`${process.env.NODE_PATH}/@elastic/elasticsearch/package.json`))
const [url, index] = process.argv.slice(2)
const is7 = version.startsWith('7.')

let words = []
const connect = (options) => {
  const client = new Client({ node: url, maxRetries: 0, ...options })
  const events = is7 ? client : client.diagnostic
  events.on('response', (_error, result) => words.push(result.headers?.['x-rerank'] ?? null))
  return client
}
const client = connect({})

// Version 7 has the request's body in a key of its own, later ones among the other keys, lists under a name each.
const ask = async (api, keys, body, name) => {
  const request = is7 ? { ...keys, body } : Array.isArray(body) ? { ...keys, [name]: body } : { ...keys, ...body }
  return (await api(request, { meta: true })).body
}
const find = (body, keys = {}, on = client) => ask((...given) => on.search(...given), { index, ...keys }, body)

const MATCH = { match: { title: 'iphone case' } }
const TEMPLATE = { query: { match: { title: '{{words}}' } }, size: 50 }
const params = { words: 'iphone case' }
const COLOURS = ['red', 'blue', 'green']
const documents = Array.from({ length: 40 }, (_, i) => ({
  title: `${COLOURS[i % 3]} iphone ${i % 2 ? 'case' : 'cable'} ${i % 5 ? 'pro' : 'max usb'}`,
  group: COLOURS[i % 3],
  number: i
}))

const forms = {
  bulk: async () => (await client.helpers.bulk({
    datasource: documents,
    refreshOnCompletion: true,
    concurrency: 1,
    onDocument: (document) => ({ index: { _index: index, _id: String(document.number) } })
  })).successful,
  search: () => find({ query: MATCH, size: 50 }),
  uri: () => find({}, { q: 'title:iphone title:case', size: 50 }),
  msearch: () => ask((...given) => client.msearch(...given), {}, [
    { index }, { query: MATCH, size: 50 }, { index }, { query: { match: { title: 'red cable' } }, size: 50 }
  ], 'searches'),
  template: () => ask((...given) => client.searchTemplate(...given), { index }, {
    source: is7 ? TEMPLATE : JSON.stringify(TEMPLATE), params
  }),
  stored_template: async () => {
    const script = { script: { lang: 'mustache', source: JSON.stringify(TEMPLATE) } }
    await ask((...given) => client.putScript(...given), { id: index }, script)
    try {
      return await ask((...given) => client.searchTemplate(...given), { index }, is7 ? { id: index, params } : { id: index, params })
    } finally {
      await client.deleteScript({ id: index })
    }
  },
  msearch_template: () => ask((...given) => client.msearchTemplate(...given), {}, [
    { index }, { source: JSON.stringify(TEMPLATE), params }
  ], 'search_templates'),
  gzip: () => find({ query: MATCH, size: 50 }, {}, connect({ compression: is7 ? 'gzip' : true })),
  highlight: () => find({ query: MATCH, size: 50, highlight: { fields: { title: {} } } }),
  collapse: () => find({
    query: MATCH,
    size: 50,
    collapse: { field: 'group', inner_hits: { name: 'others', size: 2, sort: [{ number: 'asc' }] } }
  }),
  source: () => find({ query: MATCH, size: 50, _source: ['group'] }),
  scroll: async () => {
    const answers = [await find({ query: MATCH, size: 15 }, { scroll: '1m' })]
    while (answers.at(-1).hits.hits.length) {
      const body = { scroll_id: answers.at(-1)._scroll_id, scroll: '1m' }
      answers.push(await ask((...given) => client.scroll(...given), {}, body))
    }
    return answers
  },
  pit: async () => {
    const { id } = (await client.openPointInTime({ index, keep_alive: '1m' }, { meta: true })).body
    const answers = []
    while (!answers.length || answers.at(-1).hits.hits.length) {
      const after = answers.length ? { search_after: answers.at(-1).hits.hits.at(-1).sort } : {}
      const body = { query: MATCH, size: 15, sort: ['_score', { number: 'asc' }], pit: { id, keep_alive: '1m' }, ...after }
      answers.push(await ask((...given) => client.search(...given), {}, body))
    }
    return answers
  },
  pages: async () => {
    const answers = []
    for (let start = 0; start < 42; start += 7) answers.push(await find({ query: MATCH, from: start, size: 7 }))
    return answers
  },
  retriever: () => find({
    retriever: {
      text_similarity_reranker: {
        retriever: { standard: { query: MATCH } },
        field: 'title',
        inference_text: 'iphone case',
        rank_window_size: 50
      }
    },
    size: 50
  }),
  query_context: () => find({
    query: MATCH, size: 50, ext: { rerank: { query_context: { query_text: 'iphone case' } } }
  }),
  scan: async () => {
    const seen = []
    const body = is7 ? { index, size: 7, body: { query: MATCH } } : { index, size: 7, query: MATCH }
    for await (const document of client.helpers.scrollDocuments(body)) seen.push(String(document.number))
    return seen
  },
  errors: async () => {
    const seen = []
    for (const body of [{ query: { nope: {} } }, { query: MATCH, from: 20000 }]) {
      await find(body).catch((error) => {
        if (error.statusCode !== 400) throw error // the client refuses everything
        seen.push(describe(error))
      })
    }
    return seen
  },
  by_query: async () => {
    const query = (colour) => ({ query: { term: { group: colour } } })
    const { updated } = await ask((...given) => client.updateByQuery(...given), { index, refresh: true }, query('red'))
    const { deleted } = await ask((...given) => client.deleteByQuery(...given), { index, refresh: true }, query('blue'))
    return [updated, deleted, (await client.count({ index }, { meta: true })).body.count]
  }
}

const describe = (error) => {
  const cause = error.meta?.body?.error
  return [error.name, error.statusCode ?? null, cause?.type ?? cause ?? null]
}

async function main () {
  const seen = {}
  for (const [form, perform] of Object.entries(forms)) {
    words = []
    try {
      const answer = await perform()
      seen[form] = { words, answer }
    } catch (error) {
      seen[form] = { error: describe(error) }
    }
  }
  console.log(JSON.stringify(seen))
}

main()
