"""Parts shared by several crafts: subjects of dreams, regions, starts, detection of artefacts."""
