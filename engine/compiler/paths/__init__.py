"""JMESPath as Python: plain paths become statements; anything else is evaluated by the jmespath library."""
