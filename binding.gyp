{
  # No sources here: CMakeLists.txt is the one build description. This file only lets tools that call node-gyp reach it.
  "targets": [
    {
      "target_name": "rft",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt", "<!@(node native/tools/list-sources.cjs)"],
          "outputs": ["<(PRODUCT_DIR)/rft.node"],
          "action": ["node", "native/tools/build.cjs", "--config", "<(CONFIGURATION_NAME)"],
          "message": "building native/ with cmake"
        }
      ]
    }
  ]
}
