def measure(site, options):
    return {}
