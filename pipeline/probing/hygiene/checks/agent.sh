#!/bin/sh
# That this runs at all is the proof: it came through the agent.
true
