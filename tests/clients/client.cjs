// The official JavaScript client, used as anybody would: what it saw is printed as one JSON object.
// node client.cjs URL INDEX, with NODE_PATH naming the folder that holds @elastic/elasticsearch

const { readFileSync } = require('node:fs')
const { Client, errors } = require('@elastic/elasticsearch')

const { version } = JSON.parse(readFileSync(`${process.env.NODE_PATH}/@elastic/elasticsearch/package.json`))

const [url, index] = process.argv.slice(2)
const inBody = version.startsWith('7.')
const client = new Client({ node: url, maxRetries: 0 })

// Version 7 has the request's body in a key of its own, version 9 among the other keys.
const withBody = (keys, body) => (inBody ? { ...keys, body } : { ...keys, ...body })
const ids = (answer) => answer.body.hits.hits.map((hit) => hit._id)

async function main () {
  const seen = { version }
  const documents = Array.from({ length: 40 }, (_, i) => ({
    title: `${['red', 'blue', 'green'][i % 3]} iphone ${i % 2 ? 'case' : 'cable'} ${i % 5 ? 'pro' : 'max usb'}`,
    number: i
  }))
  const one = { index, id: 'one', refresh: true }
  await client.index(inBody ? { ...one, body: { title: 'leather shoe' } } : { ...one, document: { title: 'leather shoe' } })
  seen.got = (await client.get({ index, id: 'one' }, { meta: true })).body._source
  const bulk = await client.helpers.bulk({
    datasource: documents,
    refreshOnCompletion: true,
    onDocument: (document) => ({ index: { _index: index, _id: String(document.number) } })
  })
  seen.bulk = bulk.successful
  const search = withBody({ index }, { query: { match: { title: 'iphone case' } }, size: 20 })
  const on = await client.search(search, { meta: true })
  const off = await client.search(search, { meta: true, headers: { 'x-rerank': 'off' } })
  seen.on = ids(on)
  seen.off = ids(off)
  seen.words = [on.headers['x-rerank'], off.headers['x-rerank']]
  seen.scanned = []
  for await (const document of client.helpers.scrollDocuments(
    withBody({ index, size: 7 }, { query: { match: { title: 'iphone' } } })
  )) seen.scanned.push(String(document.number))
  const all = withBody({ index, refresh: true }, { query: { match: { title: 'cable' } } })
  seen.deleted = (await client.deleteByQuery(all, { meta: true })).body.deleted
  seen.count = (await client.count({ index }, { meta: true })).body.count
  try {
    await client.get({ index, id: 'none' })
  } catch (error) {
    seen.error = [error instanceof errors.ResponseError, error.statusCode]
  }
  console.log(JSON.stringify(seen))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
