"""What several crafts share: wishes, regions, beginnings, the look for artefacts."""
