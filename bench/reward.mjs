// A reward that differs between completions of random weights, so that every group has a gradient.
export default {
  name: 'length',
  description: 'Length of the text in sevenths.',
  score: ({ completion }) => ([...completion].length % 7) / 7,
}
