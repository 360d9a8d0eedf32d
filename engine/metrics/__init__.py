"""What is measured: histograms that merge exactly, the families of metrics, windows over them, their OpenMetrics page.

Nothing is imported here on purpose: what the engine's thread needs (`pending`, `families`) loads no numpy, and only a
run that serves its metrics loads prometheus-client.
"""
